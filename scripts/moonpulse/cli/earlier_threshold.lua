--- A threshold that an earlier run of the participant found: --rmt last takes it; a protocol that needs one,
--- and was given none, offers it on a terminal, else the run's error names it. Never taken without a word: it
--- is as old as it is, and of the device, coil and muscle that it was found with
--- (safety/found_thresholds.lua).
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local intensities = require "moonpulse.compose.intensity"
local lfs = require "lfs"
local metas = require "moonpulse.record.meta"
local term = require "term"

local M = {}

M.last = "last"

local options_of = { rmt = "--rmt", amt = "--amt" }
local in_order = { "rmt", "amt" }
local names = { rmt = "resting motor threshold", amt = "active motor threshold" }

local function note(text)
  io.stderr:write("moonpulse: note: ", escapes.shown(text), "\n")
end

--- Is a pseudo-terminal at the port? A program answers there, unless the operator says otherwise.
local function is_pseudo_terminal(port)
  local found = port and lfs.attributes(port)
  local major = found and found.mode == "char device" and found.rdev >> 8 & 0xFFF
  return major and major >= 136 and major <= 143
end

--- What is known before of what the threshold would be used with.
---@param options table of the command
---@param given { driver: moonpulse.Driver, simulated: boolean, meta: table?, real_pty: boolean? }
---@param found moonpulse.Protocol|moonpulse.Experiment
---@return moonpulse.ThresholdUse
local function use_of(options, given, found)
  local meta, said = given.meta or {}, {}
  for _, key in ipairs(metas.of_device) do
    said[key] = meta[key] and tostring(meta[key]) or nil
  end
  said.coil = options.coil or said.coil
  local muscle = meta.threshold_location or meta.muscle
  return { device = given.driver.name, place = given.place, said = said, muscle = muscle and tostring(muscle),
    simulated = given.simulated or not given.real_pty and is_pseudo_terminal(options.port) or false,
    site = options.threshold or found.threshold }
end

--- What earlier runs found for the participant: read once a command.
local function found_of(options, given)
  local thresholds = require "moonpulse.safety.found_thresholds" -- loaded for who asks for it
  given.earlier = given.earlier or thresholds.of({ options.out, table.unpack(options.older or {}) },
    options.participant, given.real_pty, note)
  return thresholds, given.earlier
end

local function choose(options, given, found, key)
  local thresholds, list = found_of(options, given)
  return thresholds, thresholds.choose(list, key:upper(), use_of(options, given, found))
end

--- From here on it is given, and the run says where it is from.
---@param options table of the command, or what it says of one of several devices
local function take(options, key, each, why)
  options[key] = each.value
  options.taken = options.taken or {}
  options.taken[key] = { run = each.run, date = each.date, how = each.how, why = why }
  options.taken_from = options.taken_from or {}
  options.taken_from[key] = each.path
end

--- The last one that was found. Leaves with exit status 2 where there is none.
---@param place string? which of several devices it is for
---@return moonpulse.FoundThreshold
---@return string asked what asked for it: "--rmt left=last"
local function find(options, given, found, key, place)
  local option = place and ("%s %s="):format(options_of[key], place) or options_of[key] .. " "
  local asked = option .. M.last
  if not options.participant then
    cli.fail("usage", "%s: whose? name the participant with --participant CODE", asked)
  end
  local thresholds, each, passed_over = choose(options, given, found, key)
  if not each then
    cli.fail("usage", "%s: %s: give %sN, in %%MSO", asked, passed_over
      or ("no earlier run of %s found one (run:threshold or run:staircase with kind = \"%s\")"):format(
        options.participant, key:upper()), option)
  elseif passed_over then
    note(passed_over)
  end
  note(("takes %s%s"):format(place and ("for %s "):format(place) or "", thresholds.words(each)))
  return each, asked
end

--- Two of several devices must not take what one of them was found with: nobody knows which.
local function check_apart(of_run, each, key, place)
  local which = ("%s\n%s\n%s"):format(each.path, key, each.place or "")
  local other = of_run[which]
  if other then
    cli.fail("usage", "%s %s=last and %s=last are one threshold, of run %s: it is of one of the two; give "
      .. "%s %s=N, or %s=N", options_of[key], other, place, each.run, options_of[key], other, place)
  end
  of_run[which] = place
end

--- Of several devices each that is told so takes the last one that was found with it.
local function settle_devices(options, given, found)
  local of_run, of = {}, options.of_device or {}
  for _, device in ipairs(given.several) do
    local own = of[device.place] or {}
    for _, key in ipairs(in_order) do
      if (own[key] or options[key]) == M.last then
        if options.participant then
          found_of(options, given) -- read once
        end
        local each, asked = find(setmetatable({ port = device.named_port or false }, { __index = options }),
          setmetatable({ driver = device.driver, simulated = device.simulated, place = device.place },
            { __index = given }), found,
          key, device.place)
        check_apart(of_run, each, key, device.place)
        take(own, key, each, asked)
        of[device.place], options.of_device = own, of
      end
    end
  end
  for _, key in ipairs(in_order) do -- --rmt last: each has its own now
    options[key] = options[key] ~= M.last and options[key] or nil
  end
end

--- Does the command ask for one?
---@param options table of the command
---@return boolean
function M.is_asked(options)
  local asked = options.rmt == M.last or options.amt == M.last
  for _, own in pairs(options.of_device or {}) do
    asked = asked or own.rmt == M.last or own.amt == M.last
  end
  return asked
end

--- What --rmt last, --rmt left=last and --amt alike take. Leaves with exit status 2 where there is none.
---@param options table of the command: rmt and amt become numbers, taken says where they are from; likewise
---   of_device
---@param given { driver: moonpulse.Driver, simulated: boolean, meta: table?, real_pty: boolean?, several:
---   moonpulse.RunDevice[]? } changed
---@param found moonpulse.Protocol|moonpulse.Experiment
function M.settle(options, given, found)
  if given.several and M.is_asked(options) then
    return settle_devices(options, given, found)
  end
  for _, key in ipairs(in_order) do
    if options[key] == M.last then
      local each, asked = find(options, given, found, key)
      take(options, key, each, asked)
    end
  end
end

--- On a terminal, asked; "y" or "yes" takes it.
local function asked(options, text)
  if options.json or options.look or not (term.isatty(io.stdin) and term.isatty(io.stdout)) then
    return false
  end
  io.stdout:write(escapes.shown(text), "; use it? [y/N] ")
  io.stdout:flush()
  local answer = (io.read "l" or ""):lower():match("^%s*(.-)%s*$")
  return answer == "y" or answer == "yes"
end

--- The references that a plan's intensities need.
---@param plan moonpulse.Plan
---@param seed integer
---@return table<string, boolean> by "rmt" and "amt"
local function needed_by(plan, seed)
  local needed = {}
  for _, action in ipairs(core.schedule(plan, seed):actions()) do
    needed[(action.reference or "MSO"):lower()] = true
  end
  return needed
end

--- Offer what a run needs and was not given: asked on a terminal; else, or where it is not taken, the error
--- that ends the command names it (options.hints, M.hinted). At a prompt errors go on: there it is noted.
---@param options table of the command: as for settle; hints
---@param given { driver: moonpulse.Driver, simulated: boolean, meta: table?, real_pty: boolean? } changed
---@param found moonpulse.Protocol|moonpulse.Experiment
---@param plan moonpulse.Plan? nil: of an experiment, which says only as it runs what it needs
---@return boolean took one
function M.offer(options, given, found, plan)
  if options.look or not options.participant or options.rmt and options.amt or given.several then
    return false
  end
  local needed = plan and needed_by(plan, options.seed or 1) or { rmt = true, amt = true }
  options.hints = {}
  local took = false
  for _, key in ipairs(in_order) do
    if needed[key] and not options[key] then
      local thresholds, each, passed_over = choose(options, given, found, key)
      local words = each and thresholds.words(each)
      if passed_over and plan and words then
        note(passed_over)
      end
      if plan and words and asked(options, words) then
        take(options, key, each, ("the offer of %s, answered with yes"):format(names[key]))
        took = true
      elseif words then
        if found.id == "repl" then
          note(("%s last takes %s"):format(options_of[key], words))
        end
        options.hints[key] = ("; or %s last: %s"):format(options_of[key], words)
      elseif passed_over then
        options.hints[key] = "; " .. passed_over
      end
    end
  end
  return took
end

--- The error that ends a command, with what an earlier run found behind what it says to do. Only the operator
--- is told so: in a record it would be another text on another day, and where the earlier runs are not.
---@param options table of the command: hints of M.offer
---@param problem any what was raised; changed
---@return any problem
function M.hinted(options, problem)
  local text = type(problem) == "table" and rawget(problem, "code") == "usage" and rawget(problem, "message")
  for _, key in ipairs(type(text) == "string" and in_order or {}) do
    local hint = options.hints and options.hints[key]
    local _, last = text:find(intensities.remedy(key), 1, true)
    if hint and last then
      text = text:sub(1, last) .. hint .. text:sub(last + 1)
      problem.message = text
    end
  end
  return problem
end

return M
