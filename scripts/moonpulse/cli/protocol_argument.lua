--- What several commands do alike: find the protocol, read its parameters and thresholds.
local catalogue = require "moonpulse.protocol.catalogue"
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local experiments = require "moonpulse.experiment"
local numbers = require "moonpulse.text.numbers"
local progresses = require "moonpulse.text.progress"
local protocols = require "moonpulse.protocol"

require "moonpulse" -- the protocol files that are found here require it

local M = {}

--- argparse converter: a number within [low, high].
---@param low number
---@param high number
---@param unit string? for the sentence that refuses
---@return fun(text: string): number?, string?
function M.number(low, high, unit)
  return function(text)
    local value = numbers.decimal(text)
    if not value or value ~= value or value < low or value > high then
      return nil, ("%q is no number from %g to %g%s%s"):format(text, low, high,
        unit and " " .. unit or "", require("moonpulse.text.units").hint(text, unit or ""))
    end
    return value
  end
end

--- Options of the form key=value as a table. Leaves with exit status 2 on another form, and where a key
--- has two values.
---@param name string the option, for the sentence
---@param texts string[]?
---@return table<string, string>
function M.pairs(name, texts)
  local given = {}
  for _, text in ipairs(texts or {}) do
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then
      cli.fail("usage", "%s %s: write it as key=value", name, text)
    elseif given[key] and given[key] ~= value then
      cli.fail("usage", "%s", cli.given_twice(("%s %s"):format(name, key), given[key], value))
    end
    given[key] = value
  end
  return given
end

--- argparse converter: a seed.
---@param text string
---@return integer?
---@return string? message
function M.seed(text)
  local value = math.tointeger(numbers.decimal(text))
  if not value or value < 0 or value > 0x7FFFFFFFFFFFFFFF then
    return nil, ("%q is no seed: a whole number from 0 up"):format(text)
  end
  return value
end

--- argparse converter: which one of several, from 1.
---@param text string
---@return integer?
---@return string? message
function M.ordinal(text)
  local value = math.tointeger(numbers.decimal(text))
  if not value or value < 1 then
    return nil, ("%q is no number of a trial or block: 1, 2 ..."):format(text)
  end
  return value
end

--- argparse converter: a threshold; with last also the last one found, with own that of one of several
--- devices.
local function threshold(last, own_too)
  local number = M.number(1, 100, "%MSO")
  return function(text)
    if last and text == "last" then
      return text
    end
    local place, own = text:match("^([%w_%-]+)=(.+)$")
    if last and place and own == "last" then
      return { place = place, value = own }
    end
    local value, message = number(own_too and own or text)
    if value and own_too and place then
      return { place = place, value = value }
    end
    return value, message and (text == "last" or own == "last") and "last is for run and check, which know "
      .. "the participant: give the number, in %MSO" or message
  end
end

--- One threshold for all, or one for each of several devices (left=48): options.of_device has these.
local function keep_threshold(options, key, value)
  local function take(of, name, number)
    options.twice = of[key] and of[key] ~= number and { name, of[key], number } or options.twice
    of[key] = number
  end
  if type(value) ~= "table" then
    return take(options, "--" .. key, value)
  end
  local of = options.of_device or {}
  options.of_device = of
  of[value.place] = of[value.place] or {}
  take(of[value.place], ("--%s %s"):format(key, value.place), value.value)
end

--- The options that fit a run to a participant, and the seed.
---@param parser table of argparse; changed
---@param last boolean? its thresholds may be those that earlier runs found (cli/earlier_threshold.lua)
---@param own boolean? of several devices each may have its own; with last they may, too
function M.add_participant(parser, last, own)
  own = own or last
  for _, each in ipairs { { "--rmt", "resting" }, { "--amt", "active" } } do
    local text = "The participant's %s motor threshold, %%MSO%s."
    local option = parser:option(each[1], text:format(each[2], last
      and "; last: the one that an earlier run of --participant found, with this device; left=N, left=last: "
      .. "of one of several devices" or own and "; left=N: of one of several devices" or ""))
      :convert(threshold(last, own)):argname(last and "N|last" or "N")
    if own then -- init: there is none before it is said
      option:count("*"):init(nil):action(keep_threshold)
    end
  end
  parser:option("--seed", "Decides random rests and orders; the same seed gives the same plan.")
    :convert(M.seed):argname("N")
end

--- The arguments that name a protocol and fit it to a participant.
---@param parser table of argparse; changed
---@param argument { name: string, text: string }? what else may be named
---@param last boolean? its thresholds may be those that earlier runs found (cli/earlier_threshold.lua)
---@param own boolean? of several devices each may have its own thresholds; with last they may, too
function M.add_protocol(parser, argument, last, own)
  argument = argument or { name = "FILE|ID", text = "A protocol's id (see moonpulse protocols), or the path "
    .. "of its file; FILE:ID is a variant in it." }
  parser:argument("protocol", argument.text):argname(argument.name)
  M.add_participant(parser, last, own)
  parser:option("-p --param", "A parameter of the protocol, as moonpulse show lists them.")
    :count("*"):argname("KEY=VALUE")
  parser:option("--from-trial", "Only what the plan has from this trial on, as show counts them (iTBS has a "
    .. "train a trial): for a session that goes on (see moonpulse resume).")
    :convert(M.ordinal):argname("N")
  parser:option("--from-block", "The same from a block on."):convert(M.ordinal):argname("N")
  parser:option("--marks-given", "With --from-trial or --from-block: so many marks of catch trials right "
    .. "before it were given already, and are left out.")
    :convert(M.ordinal):argname("N")
  parser:flag("--unconfirmed", "Take a protocol whose numbers were not checked against the paper.")
end

--- What keeps a protocol from being run as it is: numbers that nobody checked, or that the source
--- leaves open. Leaves with exit status 2 where strict, else says it on stderr; complete: where numbers are
--- left open in any case.
local function check_known(protocol, given, options, strict, complete)
  local function say(refused, text, ...)
    if refused then
      cli.fail("usage", text, ...)
    end
    io.stderr:write("moonpulse: note: ", escapes.shown(text:format(...)), "\n")
  end
  if protocol.unconfirmed and not options.unconfirmed then
    say(strict, "%s is unconfirmed: %s (look it up in the paper; --unconfirmed takes it as it is)",
      protocol.id, protocol.unconfirmed)
  end
  local open = protocols.open(protocol, given)
  if #open > 0 then
    local declared = protocol.params[open[1]]
    say(strict or complete, "%s: the source gives no number for %s; give yours with -p %s=VALUE (%s)",
      protocol.id, table.concat(open, ", "), open[1], declared.help or "no default")
  end
end

--- A plan file has its own seed, which nobody may change; else what --seed says, or a new one.
local function settle_seed(options, protocol, strict)
  if protocol.seed and options.seed and options.seed ~= protocol.seed then
    cli.fail("usage", "--seed %d: the plan file fixes the seed %d: leave --seed out, or compile it again",
      options.seed, protocol.seed)
  end
  options.seed = options.seed or protocol.seed or strict and core.random_seed() or nil
end

--- Thresholds that cannot both be right: the active one is below the resting one, and what follows from them
--- would be judged by the wrong one.
local function check_thresholds(options)
  if options.twice then
    cli.fail("usage", "%s; each of several devices may have its own (left=N)",
      cli.given_twice(table.unpack(options.twice)))
  elseif options.of_device and not (options.devices and options.devices[2]) then
    local place, of = next(options.of_device)
    cli.fail("usage", "--%s %s=N is for one of several devices of moonpulse run: write --%s N", next(of),
      place, (next(of)))
  end
  if options.amt and options.rmt and options.amt > options.rmt then
    local text = "moonpulse: note: --amt %g is above --rmt %g: an active motor threshold is below the "
      .. "resting one; were they exchanged (--amt %g --rmt %g)?\n"
    io.stderr:write(text:format(options.amt, options.rmt, options.rmt, options.amt))
  end
end

--- The active threshold by which parameters have another default (with_amt): that of all, or, of several
--- devices, one of theirs, for each must have one then.
local function amt_of(options, found, given)
  local known, without = options.amt, nil
  for _, text in ipairs(options.devices or {}) do
    local place = text:match("^([%w_%-]+)=")
    local own = ((options.of_device or {})[place or ""] or {}).amt or options.amt
    known, without = known or own, not own and place or without
  end
  for name, declared in pairs(known and without and found.params or {}) do
    if declared.with_amt and given[name] == nil then
      cli.fail("usage", "-p %s is in %%AMT where there is an active threshold, and %s has none: give --amt "
        .. "%s=N as well, or -p %s=VALUE", name, without, without, name)
    end
  end
  return known
end

--- Load and parameterise what the options name. Leaves with exit status 2 on an error.
---@param options table its seed is settled: a plan file's own; with strict a new one where none is given
---@param strict boolean? true: pulses are about to be sent, so nothing may be unconfirmed or open
---@param complete boolean? true: what is made is run later, so nothing may be open
---@param settle (fun(found: moonpulse.Protocol|moonpulse.Experiment))? makes numbers of the thresholds
---@return moonpulse.Protocol|moonpulse.Experiment found
---@return table values
function M.find(options, strict, complete, settle)
  local found, message = catalogue.find(options.protocol)
  if not found then
    cli.fail("usage", "%s", message)
  end
  if (options.from_trial or options.from_block) and experiments.is(found) then
    cli.fail("usage", "%s is an experiment, which decides as it goes: --from-trial and --from-block are for "
      .. "protocols; give it a parameter that says where it begins, like -p block=3", options.protocol)
  end
  if settle then
    settle(found)
  end
  check_thresholds(options)
  options.seed_drawn = strict and not options.seed and not found.seed
  settle_seed(options, found, strict)
  local given = M.pairs("-p", options.param)
  local values
  values, message = protocols.values(found, given, { amt = amt_of(options, found, given) })
  if not values then
    cli.fail("usage", "%s", message)
  end
  check_known(found, given, options, strict, complete)
  return found, values
end

local told = {} -- once, however often a command builds its plan

--- Marks between the pulse before and where the plan is begun, which nobody gives: it is said. Of a run that
--- goes on with another one resume says it, which knows what that one gave.
local function tell_marks(options, plan, rest, begins)
  if not begins or options.continues then
    return
  end
  local marks = require("moonpulse.compose.remainder").left_marks(plan, options.seed or 1,
    begins.pulses_before, begins.pulses_before + 1, rest)
  if marks[1] then
    begins.marks_left_out = #marks
    local text = require("moonpulse.record.begins").marks_words(marks, begins.what, begins.number)
    if not told[text] then
      told[text] = true
      io.stderr:write("moonpulse: note: left out: ", escapes.shown(text), "\n")
    end
  end
end

--- Make the plan of what find() gave. Leaves with exit status 2 on an error.
---@param options table of the command
---@param found moonpulse.Protocol
---@param values table
---@return moonpulse.Plan plan
---@return boolean drawn the plan has an order drawn from options.seed (1)
---@return moonpulse.Begins? begins --from-trial or --from-block was given
function M.build(options, found, values)
  if experiments.is(found) then
    cli.fail("usage", "%s: an experiment has no fixed plan: use moonpulse run %s", options.protocol,
      options.protocol)
  end
  local plan, message, drawn = protocols.build(found, values, options.seed or 1)
  if not plan then
    cli.fail("usage", "%s", message)
  end
  if drawn and options.seed_drawn and (options.from_trial or options.from_block) then
    cli.fail("usage", "the order is drawn from the seed, and a new one has other trials before: --seed N "
      .. "says which order it is")
  end
  local rest, begins = M.remainder(options, plan)
  tell_marks(options, plan, rest, begins)
  return rest, drawn, begins
end

--- What --from-trial or --from-block leaves of a plan; marks that go with none of its pulses are not told
--- here. Leaves with exit status 2 where there is none.
---@param options table of the command; marks_given: of moonpulse.Begins
---@param plan moonpulse.Plan
---@param seed integer? options.seed (1)
---@return moonpulse.Plan the plan, where none is given
---@return moonpulse.Begins?
function M.remainder(options, plan, seed)
  if not (options.from_trial or options.from_block) then
    if options.marks_given then
      cli.fail("usage", "--marks-given %d: right before which trial? Give --from-trial N",
        options.marks_given)
    end
    return plan
  elseif options.from_trial and options.from_block then
    cli.fail("usage", "--from-trial and --from-block: a plan begins once; leave one of them out")
  end
  local what = options.from_trial and "trial" or "block"
  local remainders = require "moonpulse.compose.remainder" -- loaded for who asks for it
  local at = { what = what, number = options["from_" .. what] }
  local ok, rest, begins = pcall(remainders.of, plan, seed or options.seed or 1, at)
  if ok and options.marks_given then
    local most = remainders.leading_marks(rest)
    if options.marks_given > most then
      cli.fail("usage", "--marks-given %d: there %s %s of catch trials right before %s %d",
        options.marks_given, most == 1 and "is" or "are", numbers.counted(most, "mark"), what, at.number)
    end
    at.marks_given = options.marks_given
    rest, begins = remainders.of(plan, seed or options.seed or 1, at)
  end
  if not ok then
    cli.fail("usage", "--from-%s %d: %s", what, options["from_" .. what],
      type(rest) == "table" and rest.message or tostring(rest))
  end
  return rest, begins
end

--- Pulses and durations of a plan, as catalogue.measure has them; with a bar where that takes long.
---@param plan moonpulse.Plan
---@param seed integer
---@return moonpulse.Measured
function M.measure(plan, seed)
  local bar <close> = progresses.new()
  return catalogue.measure(plan, seed, function(walked, total)
    bar:show("drawing the rests", walked, total)
  end)
end

--- Load, parameterise and build what the options name. Leaves with exit status 2 on an error.
---@param options table as for find
---@param strict boolean? as for find
---@param complete boolean? as for find
---@return moonpulse.Protocol protocol
---@return moonpulse.Plan plan
---@return table values
---@return boolean drawn
function M.load(options, strict, complete)
  local protocol, values = M.find(options, strict, complete)
  local plan, drawn = M.build(options, protocol, values)
  return protocol, plan, values, drawn
end

return M
