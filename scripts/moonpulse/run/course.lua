--- One possible course of an experiment: it is run in virtual time, by a program of its own, into a folder
--- that is read and taken away again. What it would ask for, options give. Its file may be somebody else's:
--- in that program it may do no more than a protocol, and not for ever (moonpulse.run.look_bounds).
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local folders = require "moonpulse.record.folder"
local journal_lines = require "moonpulse.record.journal_lines"
local in_order = require "moonpulse.text.in_order"
local interrupts = require "moonpulse.run.interrupts"
local lfs = require "lfs"
local look_bounds = require "moonpulse.run.look_bounds"
local companions = require "moonpulse.text.companions"
local reading = require "moonpulse.record.read"
local refusals = require "moonpulse.text.refusal"

local M = {}

-- options of run that have a value and mean the same there
local passed = { "rmt", "amt", "device", "answers", "triggers", "trigger", "timing", "guidelines", "lab",
  "participant" }

---@class moonpulse.Course
---@field seed integer
---@field rows table[] of events.tsv, as moonpulse.record.read has them
---@field marks table[] lines of the journal: marks of the script with an event code
---@field manifest table
---@field said string[] what the run told the operator, a line each
---@field status integer of its exit; what was wrong it has said on standard error

--- How it ended, for a line of its own: of what went wrong only where or what it was: it has been said.
---@param course table
---@param ok boolean it came to its end
---@return string
function M.ended(course, ok)
  local result = course.manifest.result
  local reason = escapes.shown(tostring(result and result.reason))
  local place = not ok and reason:match("^(%S+:%d+): ")
  return place and "at " .. place or ok and reason or reason:match("^[^:]*")
end

--- The course in a sentence part.
---@param options table
---@param course moonpulse.Course
---@return string
function M.words(options, course)
  local given = { ("seed %d"):format(course.seed) }
  for _, name in ipairs { "answers", "triggers" } do
    given[#given + 1] = options[name] and ("%s from %s"):format(name, options[name]) or nil
  end
  return ("one possible course of the experiment (%s)"):format(table.concat(given, ", "))
end

--- Options that every command has that shows a course.
---@param parser table of argparse; changed
function M.add(parser)
  parser:option("--answers", "Experiments: a file with an answer a line, for the course that is shown.")
    :argname("FILE")
  parser:option("--triggers", "Experiments: a file of the triggers that come, as for run."):argname("FILE")
end

--- Each of several devices, in virtual time its simulator, with its thresholds.
local function add_devices(args, options)
  for _, text in ipairs(options.devices) do
    local place, device = text:match("^([%w_%-]+)=(.+)$")
    device = device:gsub("@.*$", "")
    args[#args + 1] = ("--device=%s=%s"):format(place, device:find("^sim") and device or "sim:" .. device)
  end
  for place, own in in_order.pairs(options.of_device or {}) do
    for name, value in in_order.pairs(own) do
      args[#args + 1] = ("--%s=%s=%.17g"):format(name, place, value)
    end
  end
end

local function arguments_of(options, folder, seed)
  local args = { companions.program(), "run", options.protocol, "--look", "--out", folder, "--seed",
    tostring(seed) }
  for _, name in ipairs(passed) do
    local value = options[name]
    if type(value) == "table" then
      value = value.text
    end
    if name == "device" and value == "several" then
      add_devices(args, options)
      value = nil
    elseif name == "device" and value and value ~= "sim" and not value:find("^sim:") then
      value = "sim:" .. value -- only its simulator runs in virtual time
    end
    if value ~= nil then
      args[#args + 1], args[#args + 2] = "--" .. name, tostring(value)
    end
  end
  for option, list in pairs { ["-p"] = options.param, ["--device-option"] = options.device_option } do
    for _, each in ipairs(list or {}) do
      args[#args + 1], args[#args + 2] = option, each
    end
  end
  if options.unconfirmed then
    args[#args + 1] = "--unconfirmed"
  end
  return args
end

local most_said = 1 << 24 -- bytes of what it said: more nobody reads

---@class moonpulse.PerformHow
---@field kind ("experiment"|"protocol")? what is looked at; "experiment" unless it is given
---@field longest_s number? by a clock on the wall: then it is ended
---@field each (fun(seconds: number))? called several times a second, with how long it has taken
---@field on_line (fun(text: string): boolean?)? a line that it says; true: it is not part of what it said

local each_s = 0.25

--- Wait until it is over, by its own end, a signal to this process, or the bound; what the bound was.
local function await(is_over, heard, how)
  local since_ns = core.real_ns()
  while not is_over() and not heard.heard do
    heard:wait((how.each or how.longest_s) and each_s or nil)
    local took_s = (core.real_ns() - since_ns) / 1e9
    if how.each then
      how.each(took_s)
    end
    if how.longest_s and took_s > how.longest_s and not is_over() then
      return look_bounds.too_long(how.longest_s)
    end
  end
end

--- Run this program on an experiment to its end, or to a signal that this one gets. Raises a refusal where a
--- signal ends one of the two, or it takes too long.
---@param args string[] with the program
---@param how moonpulse.PerformHow?
---@return string[] said lines of its standard output
---@return integer status of its exit
function M.perform(args, how)
  how = how or {}
  local task, said, bytes, status, signal = core.current(), {}, 0, nil, nil
  local heard <close> = interrupts.begin()
  local process <close> = assert(core.process { args = args,
    on_line = function(text)
      bytes = bytes + #text
      if not (how.on_line and how.on_line(text)) and bytes < most_said then
        said[#said + 1] = text
      end
    end,
    on_exit = function(...)
      status, signal = ...
      task:wake()
    end })
  local killed <close> = setmetatable({}, { __close = function() -- luacheck: ignore 211
    if not status then
      process:kill()
    end
    while not status do -- it writes where we take away
      core.wait()
    end
  end })
  local late = await(function() return status ~= nil end, heard, how)
  if heard.heard then
    refusals.raise("stopped", "interrupted while the experiment was looked at")
  elseif late then
    refusals.raise("usage", "%s", late)
  elseif signal and signal ~= 0 then
    refusals.raise("usage", "%s", look_bounds.ended(signal, how.kind))
  end
  return said, status
end

--- A folder of its own, to be closed, in which the participant's earlier runs are, too, where they count.
local function make_folder(options)
  local folder, message = folders.scratch()
  if not folder then
    refusals.raise("usage", "cannot make a folder for the course: %s", message)
  end
  local earlier = options.participant and { options.out, table.unpack(options.older or {}) } or {}
  for number, from in ipairs(earlier) do
    if lfs.attributes(from, "mode") == "directory" then
      for name in lfs.dir(from) do
        if name ~= "." and name ~= ".." then
          lfs.link(from .. "/" .. name, ("%s/%d-%s"):format(folder.path, number, name), true)
        end
      end
    end
  end
  return folder
end

--- The run's own folder: the others are links.
local function run_in(folder)
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if name ~= "." and name ~= ".." and lfs.symlinkattributes(path, "mode") == "directory" then
      return path
    end
  end
end

--- Run the experiment once in virtual time.
---@param options table of a command: what they share with run means the same
---@return moonpulse.Course? nil: it did not begin, and has said why
---@return integer status
function M.of(options)
  local folder <close> = make_folder(options)
  local seed = options.seed or 1
  io.stdout:flush()
  local said, status = M.perform(arguments_of(options, folder.path, seed))
  local run = run_in(folder.path)
  if not run then
    return nil, status
  end
  local rows = reading.events(run .. "/events.tsv")
  local manifest = reading.manifest(run .. "/manifest.json")
  if not rows or not manifest then
    return nil, status
  end
  local marks = {}
  for _, entry in ipairs(journal_lines.entries(run) or {}) do
    if entry.kind == "mark" and entry.code then
      marks[#marks + 1] = entry
    end
  end
  return { seed = seed, rows = rows, marks = marks, manifest = manifest, said = said, status = status },
    status
end

return M
