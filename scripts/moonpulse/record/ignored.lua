--- Commands of a run that its simulator ignored, from its log: what was sent was not all done.
local M = {}

local function from_hex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- Remember what a plan sends, so that no question of connecting or arming counts.
---@param record moonpulse.Record of the run
---@param frames moonpulse.Frame[]
function M.remember(record, frames)
  local sent = record.sent_frames or {}
  record.sent_frames = sent
  for _, frame in ipairs(frames) do
    for _, bytes in ipairs { frame.bytes, frame.after } do
      sent[bytes] = #bytes > 0 or nil
    end
  end
end

--- Is it a frame, or one of the messages of a frame?
local function is_sent(sent, bytes)
  for frame in pairs(sent) do
    if frame:find(bytes, 1, true) then
      return true
    end
  end
  return false
end

local function no_line() end

--- The lines of a file that may have this text in them: most of a log has not, and is passed over in blocks.
local function lines_with(file, text)
  local next_line = no_line
  return function()
    local line = next_line()
    while not line do
      local block, rest = file:read(65536, "L")
      if not block then
        return nil
      end
      block = block .. (rest or "") -- up to the end of a line
      if block:find(text, 1, true) then
        next_line = block:gmatch "[^\n]+"
        line = next_line()
      end
    end
    return line
  end
end

--- How many there are, and what the simulator said of the first.
---@param record moonpulse.Record of the run
---@return integer
---@return string?
function M.count(record)
  if record.together then -- several devices
    local all, first = 0, nil
    for _, part in ipairs(record.together.parts) do
      local count, why = M.count(part)
      all, first = all + count, first or why
    end
    return all, first
  end
  local log = record.sent_frames and io.open(record.folder .. "/twin.tsv")
  if not log then
    return 0
  end
  local known, count, why = {}, 0, nil
  for line in lines_with(log, "\tignored\t") do
    local hex, note = line:match("^[^\t]*\tignored\t(%x+)\t([^\t]*)")
    if hex then
      if known[hex] == nil then
        known[hex] = is_sent(record.sent_frames, from_hex(hex))
      end
      count = count + (known[hex] and 1 or 0)
      why = why or known[hex] and note or nil
    end
  end
  log:close()
  return count, why
end

return M
