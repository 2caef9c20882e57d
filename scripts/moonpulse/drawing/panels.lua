--- Timeline panels at up to three scales: what each shows, and how high its bars are.
local stats = require "moonpulse.drawing.stats"
local text = require "moonpulse.drawing.text"
local windows = require "moonpulse.drawing.windows"

local M = {}

local function height_scale(pulses)
  local mso, most, last = true, 0, nil
  for i = 1, #pulses do
    local row = pulses[i]
    local kind = getmetatable(row) or row
    if kind ~= last then -- rows that share a metatable have this in common (moonpulse.record.read)
      mso = mso and (row.mso ~= nil or not row.was_sent)
      most, last = math.max(most, row.intensity or 0), kind
    end
  end
  if mso then
    return { top = 100, known = true, name = "%MSO", of = function(row) return row.mso or 0 end }
  elseif most > 0 then
    return { top = stats.nice_top(most), known = true, name = "intensity, %",
             of = function(row) return row.intensity or 0 end }
  end
  return { top = 1, known = false, name = "no intensity", of = function() return 0.9 end }
end

--- The whole session is with its marks: what was marked before the first pulse belongs to it.
local function with_marks(t0, t1, marks)
  for _, mark in ipairs(marks) do
    if mark.time then
      t0, t1 = math.min(t0, mark.time), math.max(t1, mark.time)
    end
  end
  return t0, t1
end

local function slice(pulses, window, marks, is_whole)
  local rows, t0, t1 = {}, math.huge, -math.huge
  for i = window.first, window.last do
    local row = pulses[i]
    local time = row.time
    rows[i - window.first + 1] = row
    t0, t1 = time < t0 and time or t0, time > t1 and time or t1
  end
  window.first_time, window.last_time = t0, t1
  if is_whole then
    t0, t1 = with_marks(t0, t1, marks)
  end
  local pad = t1 > t0 and (t1 - t0) * 0.02 or 0.5
  window.pulses, window.marks = rows, marks
  window.drawn = t1 - t0
  window.t0, window.t1 = t0 - pad, t1 + pad
end

local function channels_of(pulses)
  local channels, names, seen, last, name = {}, {}, {}, nil, nil
  for i = 1, #pulses do
    local row = pulses[i]
    local kind = getmetatable(row) or row
    if kind ~= last then
      name, last = row.channel or "1", kind
      if not seen[name] then
        seen[name], names[#names + 1] = true, name
      end
    end
    channels[i] = name
  end
  return channels, names
end

--- Where there are several channels, each that has a pulse in the window has a lane of its own.
local function divide(window, names)
  local of, lanes = {}, {}
  for _, row in ipairs(window.pulses) do
    local name = row.channel or "1"
    of[name] = of[name] or { channel = name, pulses = {} }
    table.insert(of[name].pulses, row)
  end
  for _, name in ipairs(names) do
    lanes[#lanes + 1] = of[name]
  end
  window.lanes = lanes
end

local function describe(window, number)
  local span = window.last_time - window.first_time
  window.origin, window.axis_name = 0, "Time from protocol start"
  window.scale = window.drawn > 900 and "min" or "s"
  if number > 1 and span < 1 then
    window.scale, window.origin = "ms", window.first_time
    window.axis_name = "Time from the first pulse shown"
  end
  local n = window.last - window.first + 1
  local words = string.format("%s: %s from %.3f s to %.3f s.", window.title,
    text.counted(n, "pulse"), window.first_time, window.last_time)
  if window.lanes then
    local names = {}
    for i, lane in ipairs(window.lanes) do
      names[i] = lane.channel
    end
    words = string.format("%s Channel%s %s.", words, #names == 1 and "" or "s, below each other:",
      table.concat(names, ", "))
  end
  window.description = words
  return words
end

--- The panels for pulses in time order.
---@param pulses table[] rows with time (s), was_sent, intensity (%), mso (%MSO or nil)
---@param times number[] the onsets that decide what belongs together, one a pulse
---@param marks table[] rows with time
---@return table[] panels for svg.timeline, each with its description; of several channels with lanes
---@return table scale
function M.of(pulses, times, marks)
  local channels, names = channels_of(pulses)
  local list = #names > 1 and windows.of_channels(times, channels, names) or windows.choose(times)
  for number, window in ipairs(list) do
    slice(pulses, window, marks, number == 1)
    if #names > 1 then
      divide(window, names)
    end
    describe(window, number)
  end
  return list, height_scale(pulses)
end

return M
