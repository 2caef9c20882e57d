--- Is events.tsv at the end of a run what the run wrote? Other programs put a file in its place, remove or
--- empty it: an editor, a synchroniser, a hand.
local core = require "moonpulse.core"
local lfs = require "lfs"
local read = require "moonpulse.record.read"

local M = {}

--- A file that is not the run's stays, beside it: the name that it got; nil where there was none.
---@param path string
---@return string? kept
---@return string? message
function M.keep(path)
  if not lfs.symlinkattributes(path, "mode") then
    return nil
  end
  local kept, count = path .. ".replaced", 1
  while lfs.symlinkattributes(kept, "mode") do
    count = count + 1
    kept = ("%s.replaced%d"):format(path, count)
  end
  local ok, message = os.rename(path, kept)
  return ok and kept or nil, message
end

--- Put the finished NAME.new in the place of NAME. Where that fails, NAME is as it was.
---@param path string NAME
---@param keeps boolean what is there stays, beside it
---@return boolean? ok
---@return string? kept the name that what was there has now; or why it is not done
function M.take_place(path, keeps)
  local ok, kept, message = true, nil, nil
  if keeps then
    kept, message = M.keep(path)
    ok = message == nil
  end
  if ok then
    ok, message = os.rename(path .. ".new", path)
  end
  if ok then
    return true, kept
  end
  if kept then
    os.rename(kept, path)
  end
  os.remove(path .. ".new")
  return nil, message
end

--- A file that is written beside another one, as NAME.new: a folder that has its name gives way.
---@param path string NAME
---@return file*?
---@return string? message
function M.beside(path)
  if lfs.symlinkattributes(path .. ".new", "mode") == "directory" then
    M.keep(path .. ".new")
  end
  return core.create_file(path .. ".new")
end

--- Copy what the open file has, whatever became of its name.
local function copy(fd, path)
  local from <close>, message = io.open("/proc/self/fd/" .. fd, "rb")
  if not from then
    return nil, message
  end
  local to
  to, message = M.beside(path)
  if not to then
    return nil, message
  end
  local ok, part
  repeat
    part, message = from:read(65536)
    ok = message == nil
    if part then
      ok, message = to:write(part)
    end
  until not (ok and part)
  local closed, why = to:close()
  if not ok or not closed then
    os.remove(path .. ".new")
    return nil, message or why
  end
  return true
end

--- Of a run that ended: is its events.tsv not what its result says: another, or none? Of an older version
--- only whether it has fewer pulses can be told.
---@param path string
---@param result table of the manifest
---@return boolean
function M.is_changed(path, result)
  if type(result.events_sum) == "string" then
    return core.file_sum(path) ~= result.events_sum
  end
  local events = read.events(path)
  local pulses = 0
  for _, field in ipairs { "pulses_sent", "pulses_skipped" } do
    pulses = pulses + (math.tointeger(result[field]) or 0)
  end
  return not events and pulses > 0 or events ~= nil and #events.pulses < pulses
end

--- Before the file is closed: is it under its name, with every byte that was written? Where another is, or
--- none, it is written again under its name, and the other one stays beside it.
---@param file file* of core.create_file, all of it flushed
---@param path string
---@param lines integer that were written
---@param sum string the checksum of what was written
---@param each string what a line of it is called
---@return string? note what was done about it
---@return string? lost what is not there, and cannot be had from the file
function M.settle(file, path, lines, sum, each)
  local fd, ours, found, found_sum = core.file_state(file, path)
  local whole = found == lines and found_sum == sum
  if not fd or ours and whole then
    return nil
  elseif not whole then
    return nil, path .. ": another program emptied or changed it during the run"
  end
  local ok, message = copy(fd, path)
  local kept
  if ok then
    ok, message = M.take_place(path, true)
    kept = ok and message
  end
  if not ok then
    return nil, ("%s: another program replaced or removed it during the run, and it cannot be written again "
      .. "(%s)"):format(path, message or "?")
  end
  return ("%s: another program %s it during the run; it was written again and has every %s%s"):format(path,
    kept and "replaced" or "removed", each, kept and "; what was in its place is " .. kept or "")
end

--- Write a finished file anew; it changes whole or not at all.
---@param path string
---@param fill fun(out: file*): boolean?, string? writes all of it: ok, or why not
---@return boolean? ok
---@return string? message
function M.rewrite(path, fill)
  local out, message = M.beside(path)
  if not out then
    return nil, message
  end
  out:setvbuf("full", 65536)
  local ok
  ok, message = fill(out)
  local closed, why = out:close()
  if ok and closed then
    ok, message = os.rename(path .. ".new", path)
  else
    ok, message = nil, message or why
  end
  if not ok then
    os.remove(path .. ".new")
  end
  return ok, message
end

--- Put a text in the place of a file: it changes whole or not at all, and is as open as its folder.
---@param path string
---@param text string
---@return boolean? ok
---@return string? message
function M.put(path, text)
  return M.rewrite(path, function(out) return out:write(text) end)
end

return M
