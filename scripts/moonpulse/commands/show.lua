--- moonpulse show: a protocol in words.
local as_json = require "moonpulse.cli.as_json"
local checks = require "moonpulse.compose.check"
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local conditions = require "moonpulse.record.conditions"
local courses = require "moonpulse.run.course"
local devices = require "moonpulse.cli.device_argument"
local drawn_orders = require "moonpulse.protocol.drawn_orders"
local escapes = require "moonpulse.text.escapes"
local experiments = require "moonpulse.experiment"
local in_order = require "moonpulse.text.in_order"
local json = require "moonpulse.text.sorted_json"
local manifests = require "moonpulse.run.manifest"
local methods = require "moonpulse.show.methods"
local numbers = require "moonpulse.text.numbers"
local outline = require "moonpulse.show.outline"
local schedules = require "moonpulse.safety.schedule"

local M = {}

function M.parser()
  local parser = cli.parser("show",
    "Print a protocol or a plan file: where it comes from, its structure, pulses and durations. Of an "
      .. "experiment: what it says and gives when it is run once in virtual time.",
    "moonpulse show itbs600\nmoonpulse show hf10_neurostar -p trains=10\n"
      .. "moonpulse show threshold.lua --answers answers.txt --device bistim")
  common.add_protocol(parser, nil, nil, true)
  parser:option("--device", "Experiments: whose simulator it is run on, sim (a MagPro) or one of moonpulse "
    .. "devices; of a script on several each: left=NAME."):argname("NAME"):count("*"):init(nil)
    :action(devices.keep)
  parser:option("--device-option", "Experiments: a setting of the driver, as for run."):argname("KEY=VALUE")
    :count("*")
  courses.add(parser)
  parser:flag("--json", "One JSON object (docs/schemas).")
  return parser
end

local function print_parameters(protocol, values)
  local names = in_order.keys(values)
  for i, name in ipairs(names) do
    print(("%-14s%s = %s"):format(i == 1 and "parameters" or "", escapes.shown(name),
      methods.parameter(protocol.params[name], values[name])))
  end
end

local function print_course(course)
  local of = schedules.total_of(course.phases)
  print(("%-14s%s%s%s"):format("course", escapes.shown(course.name), of and (": %s in all"):format(
    numbers.counted(of, "session")) or "", course.begins and ", from " .. course.begins .. " on" or ""))
  for i, phase in ipairs(course.phases) do
    print(("%-14s%s"):format(("phase %d of %d"):format(i, #course.phases), escapes.shown(
      methods.phase(phase))))
  end
end

local head_keys = { "unconfirmed", "cite", "doi", "target", "dose", "session", "reported", "note" }

local function print_head(protocol)
  local name = protocol.name or protocol.id
  print(escapes.shown(name .. (protocol.id and protocol.id ~= name and "  [" .. protocol.id .. "]" or "")))
  for _, key in ipairs(head_keys) do
    if protocol[key] then
      print(("%-14s%s"):format(key, (protocol[key]:gsub("%s+", " ")))) -- on one line
    end
  end
  if protocol.course then -- it says how the protocol is given here
    print_course(protocol.course)
  elseif protocol.sessions then
    print(("%-14s%s"):format("sessions", methods.schedule(protocol.sessions)))
  end
end

--- How a variant in a protocol's file is named.
local function variant_id(what, variant)
  local is_file = what:find("/", 1, true) or what:match("%.lua$")
  return is_file and what .. ":" .. variant.id or variant.id
end

local function print_variants(protocol, what)
  for i, variant in ipairs(protocol.variants or {}) do
    print(escapes.shown(("%-14s%s  (%s)"):format(i == 1 and "variants" or "", variant.name or variant.id,
      variant_id(what, variant))))
  end
end

--- How many pulses each condition has; nothing where there is one, and nobody has named it.
---@param list moonpulse.ConditionCounts[]
local function print_conditions(list)
  for _, each in ipairs(#list == 1 and checks.is_kind(list[1].condition) and {} or list) do
    print(("  %-26s%s in %s"):format(escapes.shown(each.condition), numbers.count(each.pulses),
      numbers.counted(each.trials or 0, "trial")))
  end
end

--- What a protocol says of itself, as data.
local function data_of(protocol, values, what)
  local data = { what = "moonpulse show", kind = experiments.is(protocol) and "experiment" or "protocol",
    name = protocol.name or protocol.id, id = protocol.id, variants = json.list {} }
  for _, key in ipairs(head_keys) do
    data[key] = protocol[key]
  end
  data.parameters = next(values) and manifests.text_values(values) or nil
  if protocol.course then
    data.course = protocol.course.name
  end
  data.sessions = protocol.sessions and methods.schedule(protocol.sessions) or nil
  for i, variant in ipairs(protocol.variants or {}) do
    data.variants[i] = { name = variant.name or variant.id, id = variant_id(what, variant) }
  end
  return data
end

local function conditions_data(list)
  local data = json.list {}
  for i, each in ipairs(list) do
    data[i] = { condition = each.condition, pulses = each.pulses, trials = each.trials }
  end
  return data
end

--- The same of an experiment's course.
local function course_data(data, options, course)
  local pulses, said = course.rows.pulses, json.list {}
  for _, line in ipairs(course.said) do
    said[#said + 1] = line:match("^ *%d+%.%d+ s  .*$")
  end
  data.judged, data.said, data.pulses = courses.words(options, course), said, #pulses
  data.conditions = conditions_data(conditions.of_events(course.rows))
  data.first_to_last_s = #pulses > 0 and pulses[#pulses].time - pulses[1].time or nil
  data.ended = course.manifest.result and tostring(course.manifest.result.reason) or nil
  as_json.tell(data)
end

--- An experiment decides as it goes: what it does when it is run once.
local function show_course(options, experiment, values)
  if not options.json then
    print_head(experiment)
    print_parameters(experiment, values)
  end
  local course, status = courses.of(options)
  if not course then
    return status
  elseif options.json then
    course_data(data_of(experiment, values, options.protocol), options, course)
    return status
  end
  print("\n" .. courses.words(options, course) .. "\n")
  local said = false
  for _, line in ipairs(course.said) do
    if line:find("^ *%d+%.%d+ s  ") then
      print(line)
      said = true
    end
  end
  local pulses = course.rows.pulses
  print(("%s%-28s%s"):format(said and "\n" or "", "pulses", numbers.count(#pulses)))
  print_conditions(conditions.of_events(course.rows))
  if #pulses > 0 then
    print(("%-28s%s"):format("first to last pulse", numbers.duration(pulses[#pulses].time - pulses[1].time)))
  end
  print(("%-28s%s"):format("ended", courses.ended(course, status == cli.status.ok)))
  return status
end

function M.run(options)
  if devices.are_several(options) then -- loaded for those
    require("moonpulse.cli.several_devices").choose(options, true)
  end
  local protocol, values = common.find(options)
  if experiments.is(protocol) then
    return show_course(options, protocol, values)
  elseif options.device or #(options.device_option or {}) > 0 then
    cli.fail("usage", "%s: what is shown of a protocol is the same for every device: moonpulse events %s "
      .. "--device NAME prints what one is set to, moonpulse check whether it can give it", options.device
      and "--device" or "--device-option", options.protocol)
  end
  local plan, drawn = common.build(options, protocol, values)
  local facts = common.measure(plan, options.seed or 1)
  if options.json then
    local data = data_of(protocol, values, options.protocol)
    data.outline, data.pulses = outline.of(plan), facts.pulses
    data.conditions = conditions_data(conditions.of_plan(plan))
    data.codes = plan:totals().coded
      and require("moonpulse.stimulator.codes").words(plan, options.seed or 1) or nil
    for _, key in ipairs { "first_to_last_s", "nominal_end_s", "whole_cycles_s" } do
      data[key] = facts[key]
    end
    data.drawn = (facts.random or drawn) and { intervals = facts.random or false, order = drawn or false,
      seed = options.seed or 1 } or nil
    return as_json.tell(data)
  end
  print_head(protocol)
  print_parameters(protocol, values)
  print_variants(protocol, options.protocol)
  print()
  print(outline.of(plan))
  print()
  print(("%-28s%s"):format("pulses", numbers.count(facts.pulses)))
  print_conditions(conditions.of_plan(plan))
  local coded = plan:totals().coded and require("moonpulse.stimulator.codes").words(plan, options.seed or 1)
  if coded then
    print(("%-28s%s"):format("event codes", coded))
  end
  print(("%-28s%s"):format("first to last pulse", numbers.duration(facts.first_to_last_s)))
  print(("%-28s%s"):format("nominal end", numbers.duration(facts.nominal_end_s)))
  print(("%-28s%s"):format("whole cycles", numbers.duration(facts.whole_cycles_s)))
  if facts.random or drawn then
    local orders = drawn and drawn_orders.of(plan, protocol, values, options.seed or 1) or {}
    local order = (orders.is_mixed and "the order of a part" or "the order")
      .. (orders.rule and ", " .. orders.rule .. "," or "")
    print(("(%s drawn with seed %d; %s)"):format(
      not drawn and "random rests" or facts.random and order .. " and random rests" or order,
      options.seed or 1, protocol.seed and "the plan file fixes it" or "another seed gives others"))
  end
end

return M
