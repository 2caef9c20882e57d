--- The folder of a run.
local core = require "moonpulse.core"
local lfs = require "lfs"

local M = {}

--- Make a folder and those above it that are not there, each for its owner only.
---@param path string
---@param group boolean? its group may read them too
---@return boolean? made
---@return string? message
function M.make_all(path, group)
  local made = path:sub(1, 1) == "/" and "" or "."
  for part in path:gmatch("[^/]+") do
    made = made .. "/" .. part
    if not lfs.attributes(made, "mode") then
      local ok, message = core.make_folder(made, group)
      if not ok and not lfs.attributes(made, "mode") then -- another run may have made it just now
        return nil, ("cannot make the folder %s: name another with --out DIR"):format(message)
      end
    end
  end
  return true
end

--- Make <out>/<name>, for its owner only; two runs of one name get folders of their own.
---@param out string
---@param name string
---@param group boolean? its group may read it too
---@return string? folder
---@return string? message
function M.make(out, name, group)
  local ok, message = M.make_all(out, group)
  if not ok then
    return nil, message
  end
  local base = out .. "/" .. name
  local folder, count = base, 1
  repeat
    ok, message = core.make_folder(folder, group)
    count = count + 1
    if not ok then
      if not lfs.attributes(folder, "mode") then
        return nil, ("cannot make the folder %s: name another with --out DIR"):format(message)
      end
      folder = ("%s_%d"):format(base, count)
    end
  until ok
  return folder
end

--- Make a run's folder again, for its owner only, if somebody moved or removed it.
---@param folder string
---@return string? note what was done; nil: it is there, or cannot be made
function M.again(folder)
  if lfs.symlinkattributes(folder, "mode") then
    return nil
  end
  local parent = folder:match("^(.*)/[^/]+$")
  if parent and parent ~= "" then
    M.make_all(parent)
  end
  return core.make_folder(folder, false) and ("%s: another program moved or removed this folder during the "
    .. "run; it was made again, for events.tsv and manifest.json: what else the run wrote went with the old "
    .. "one"):format(folder) or nil
end

--- Remove all that is in a folder; of a link the link, never what it leads to.
---@param folder string one that this program made
function M.empty(folder)
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then
      local path = folder .. "/" .. name
      if lfs.symlinkattributes(path, "mode") == "directory" then
        M.remove(path)
      else
        os.remove(path)
      end
    end
  end
end

--- Remove a folder with all that is in it, as empty does.
---@param folder string one that this program made
function M.remove(folder)
  M.empty(folder)
  lfs.rmdir(folder)
end

--- A name in the place for temporary files ($TMPDIR, else /tmp) that nobody can know before.
local function temporary_name()
  local place = os.getenv "TMPDIR"
  place = place and place:find "^/" and place:gsub("(.)/+$", "%1") or "/tmp"
  local file <close> = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(8) or tostring(core.real_ns())
  return ("%s/moonpulse-%s"):format(place, bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

--- A new folder, which only its owner may enter. Closed, it is gone with all that is in it.
---@param path string? that nothing has yet; nil: one in the place for temporary files
---@return { path: string }? folder to be closed
---@return string? message why it cannot be made
function M.scratch(path)
  path = path or temporary_name()
  local made, message = core.make_folder(path)
  if not made then
    return nil, message
  end
  return setmetatable({ path = path }, { __close = function()
    if lfs.attributes(path, "mode") == "directory" then
      M.remove(path)
    end
  end })
end

return M
