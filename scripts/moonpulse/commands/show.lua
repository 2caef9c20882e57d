--- moonpulse show: a protocol in words.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local methods = require "moonpulse.show.methods"
local numbers = require "moonpulse.text.numbers"
local outline = require "moonpulse.show.outline"

local M = {}

function M.parser()
  local parser = cli.parser("show",
    "Print a protocol: where it comes from, its structure, pulses and durations.",
    "moonpulse show itbs600\nmoonpulse show hf10_neurostar -p trains=10")
  common.add_protocol(parser)
  return parser
end

local function sorted_names(values)
  local names = {}
  for name in pairs(values) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function print_parameters(protocol, values)
  local names = sorted_names(values)
  for i, name in ipairs(names) do
    print(("%-14s%s = %s"):format(i == 1 and "parameters" or "", name,
      methods.parameter(protocol.params[name], values[name])))
  end
end

function M.run(options)
  local protocol, plan, values, drawn = common.load(options)
  local facts = common.measure(plan, options.seed or 1)
  print(protocol.name .. (protocol.id and protocol.id ~= protocol.name
    and "  [" .. protocol.id .. "]" or ""))
  for _, key in ipairs { "unconfirmed", "cite", "doi", "target", "dose", "session", "reported", "note" } do
    if protocol[key] then
      print(("%-14s%s"):format(key, protocol[key]))
    end
  end
  if protocol.sessions then
    print(("%-14s%s"):format("sessions", methods.schedule(protocol.sessions)))
  end
  print_parameters(protocol, values)
  print()
  print(outline.of(plan))
  print()
  print(("%-28s%s"):format("pulses", numbers.count(facts.pulses)))
  print(("%-28s%s"):format("first to last pulse", numbers.duration(facts.first_to_last_s)))
  print(("%-28s%s"):format("nominal end", numbers.duration(facts.nominal_end_s)))
  print(("%-28s%s"):format("whole cycles", numbers.duration(facts.whole_cycles_s)))
  if facts.random or drawn then
    print(("(%s drawn with seed %d; another seed gives others)"):format(
      not drawn and "random rests" or facts.random and "order and random rests" or "the order",
      options.seed or 1))
  end
end

return M
