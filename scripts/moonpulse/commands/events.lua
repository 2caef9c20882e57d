--- moonpulse events: every pulse as a line.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local courses = require "moonpulse.run.course"
local experiments = require "moonpulse.experiment"
local core = require "moonpulse.core"
local cursors = require "moonpulse.compose.stimulus_cursor"
local devices = require "moonpulse.cli.device_argument"
local intensities = require "moonpulse.compose.intensity"
local lower = require "moonpulse.lowering"
local origins = require "moonpulse.compose.origins"
local stimuli = require "moonpulse.compose.stimuli"

local M = {}

function M.parser()
  local parser = cli.parser("events",
    "Print every pulse and mark as tab-separated lines: index, onset_us (whole microseconds from "
      .. "the protocol's start), event, channel, intensity (percent of intensity_ref), "
      .. "intensity_ref, intensity_mso (with --rmt or --amt), pulse (number), label (text of a mark), "
      .. "trial_type (condition), trial and block (numbers from 1), and of a plan with event codes code. "
      .. "intensity_mso is as written; with --device, what that device will be set to, rounded to its step.",
    "moonpulse events itbs600 | head\nmoonpulse events itbs600 --amt 50 > itbs600.tsv\n"
      .. "moonpulse events mine.lua --rmt 48 --device magventure")
  common.add_protocol(parser, nil, nil, true)
  parser:option("--device", "What will be set at this device: sim (a MagPro) or one of moonpulse devices; of "
    .. "a script on several each: left=NAME.")
    :argname("NAME"):count("*"):init(nil):action(devices.keep)
  parser:option("--device-option", "A setting of the driver, as for run."):argname("KEY=VALUE"):count("*")
  courses.add(parser)
  return parser
end

local header = "index\tonset_us\tevent\tchannel\tintensity\tintensity_ref\tintensity_mso\tpulse\t"
  .. "label\ttrial_type\ttrial\tblock"

--- Take the code from those of an instant; nil: it is not among them.
local function take_code(here, code)
  for place, each in ipairs(here or {}) do
    if each == code then
      return table.remove(here, place)
    end
  end
end

--- The event codes of a course, by pulse and by the row of a mark. Of several marks at one instant those of
--- the script have theirs by its journal, and those of a plan have what is left, in their order.
---@param course moonpulse.Course
---@return table<integer, string> of_pulse
---@return table<table, string> of_mark
local function codes_of(course)
  local of_pulse, of_mark, at, own = {}, {}, {}, {}
  for _, row in ipairs(course.rows.codes) do
    if row.pulse then
      of_pulse[row.pulse] = row.reply
    else
      at[row.planned] = at[row.planned] or {}
      table.insert(at[row.planned], row.reply)
    end
  end
  for _, mark in ipairs(course.marks) do
    own[#own + 1] = { us = tonumber(mark.at_ns) / 1000, text = mark.text, code = ("%d"):format(mark.code) }
  end
  for i = #course.rows.marks, 1, -1 do -- the run's own marks come before the script's
    local row, last = course.rows.marks[i], own[#own]
    if last and last.text == row.reply and math.abs(last.us - row.planned) < 0.001 then
      of_mark[row], own[#own] = take_code(at[row.planned], last.code), nil
    end
  end
  for _, row in ipairs(course.rows.marks) do
    local here = at[row.planned]
    of_mark[row] = of_mark[row] or here and here[1] and table.remove(here, 1) or nil
  end
  return of_pulse, of_mark
end

--- An experiment decides as it goes: what it gives when it is run once.
local function write_course(options)
  local course, status = courses.of(options)
  if not course then
    return status
  end
  io.stderr:write("moonpulse: note: ", courses.words(options, course), "\n")
  local rows = table.move(course.rows.marks, 1, #course.rows.marks, 1, {})
  table.move(course.rows.pulses, 1, #course.rows.pulses, #rows + 1, rows)
  for i, row in ipairs(rows) do
    row.number = i
    row.planned = row.planned or row.time * 1e6 -- nobody planned what something else fired
  end
  table.sort(rows, function(a, b)
    if a.planned ~= b.planned then
      return a.planned < b.planned
    end
    return a.number < b.number
  end)
  local of_pulse, of_mark = codes_of(course)
  local coded = course.rows.codes[1] ~= nil
  io.stdout:write(header, coded and "\tcode\n" or "\n")
  for i, row in ipairs(rows) do
    local function text(value)
      return value and ("%.9g"):format(value) or "n/a"
    end
    local cells = { i, math.floor(row.planned + 0.5), row.event, row.channel or "n/a", text(row.intensity),
      row.ref or "n/a", text(row.mso), row.pulse or "n/a", row.event == "mark" and row.reply or "n/a",
      row.trial_type or "n/a", row.trial or "n/a", row.block or "n/a" }
    if coded then
      cells[#cells + 1] = row.event == "pulse" and of_pulse[row.pulse]
        or row.event == "mark" and of_mark[row] or "n/a"
    end
    io.stdout:write(table.concat(cells, "\t"), "\n")
  end
  io.stdout:flush()
  return status
end

--- The driver whose settings are asked for, of an action; nil: what was written is.
local function device_of(options, list, actions)
  if list then
    local of = {}
    for _, each in ipairs(list) do
      for _, channel in ipairs(each.channels) do
        of[channel] = each.driver
      end
    end
    require("moonpulse.cli.several_devices").check_channels(list, actions)
    return function(action) return of[action.channel] end
  elseif options.device then
    local driver = devices.described(options)
    devices.check_channels(driver, actions)
    return function() return driver end
  elseif #(options.device_option or {}) > 0 then
    cli.fail("usage", "--device-option is a device's: name it with --device")
  end
  return function() end
end

--- An action in %MSO: as it is written, or as the driver will set it. nil: the threshold is not given.
local function mso_of(action, plan, thresholds, driver)
  if driver and (action.reference == "MSO" or thresholds[action.reference:lower()]) then
    local ok, problem = pcall(lower.settle, { action },
      { plan = plan, driver = driver, thresholds = thresholds })
    if not ok then
      cli.fail(type(problem) == "table" and problem.code or "fault", "%s",
        type(problem) == "table" and problem.message or tostring(problem))
    end
    return action.mso
  end
  local mso, message, code = intensities.resolve({ value = action.intensity, reference = action.reference },
    thresholds)
  if code == "limit" then
    local origin = origins.of(plan)(action)
    cli.fail("limit", "%s%s", message, origin ~= "" and " (" .. origin .. ")" or "")
  end
  return mso
end

--- Of which condition, trial and block pulses are, for schedule:write.
local function places_of(plan, seed)
  local cursor = cursors.new(stimuli.of(plan, seed))
  return function(number)
    cursor:find(number)
    return cursor.condition, cursor.trial, cursor.block, cursor.last, cursor.per
  end
end

function M.run(options)
  local several = devices.are_several(options) -- loaded for those
    and require("moonpulse.cli.several_devices").choose(options, true)
  local found, values = common.find(options)
  if experiments.is(found) then
    return write_course(options)
  end
  local plan = common.build(options, found, values)
  local schedule = core.schedule(plan, options.seed or 1)
  local driver_of = device_of(options, several, schedule:actions())
  local own = several and require("moonpulse.run.begin").of_channels(options, several) or {}
  local tails = { mark = "n/a\tn/a\tn/a\tn/a" }
  for i, action in ipairs(schedule:actions()) do
    local mso = mso_of(action, plan, own[action.channel] or options, driver_of(action))
    tails[i] = ("%s\t%.9g\t%s\t%s"):format(action.channel, action.intensity, action.reference,
      mso and ("%.9g"):format(mso) or "n/a")
  end
  io.stdout:setvbuf("full", 1 << 16)
  local coded = plan:totals().coded
  local ok, message, code = io.stdout:write(header, coded and "\tcode\n" or "\n")
  if ok then
    ok, message, code = schedule:write(io.stdout, tails, places_of(plan, options.seed or 1), coded)
  end
  if ok then
    ok, message, code = io.stdout:flush()
  end
  -- a reader that has seen enough (| head) is no error
  if not ok and code ~= "closed" and code ~= 32 then
    cli.fail("fault", "%s", message)
  end
end

return M
