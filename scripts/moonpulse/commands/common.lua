--- What several commands do alike: find the protocol, read its parameters and thresholds.
local catalogue = require "moonpulse.catalogue"
local cli = require "moonpulse.cli"
local protocols = require "moonpulse.protocol"

local M = {}

--- argparse converter: a number within [low, high].
function M.number(low, high, unit)
  return function(text)
    local value = tonumber(text)
    if not value or value ~= value or value < low or value > high then
      return nil, ("%q is no number from %g to %g%s"):format(text, low, high,
        unit and " " .. unit or "")
    end
    return value
  end
end

--- argparse converter: a seed.
function M.seed(text)
  local value = math.tointeger(tonumber(text))
  if not value or value < 0 or value > 0x7FFFFFFFFFFFFFFF then
    return nil, ("%q is no seed: a whole number from 0 up"):format(text)
  end
  return value
end

--- The arguments that name a protocol and fit it to a participant.
function M.add_protocol(parser)
  parser:argument("protocol", "A protocol's id (see moonpulse protocols) or the path of its file.")
    :argname("FILE|ID")
  parser:option("--rmt", "The participant's resting motor threshold, %MSO.")
    :convert(M.number(1, 100, "%MSO")):argname("N")
  parser:option("--amt", "The participant's active motor threshold, %MSO.")
    :convert(M.number(1, 100, "%MSO")):argname("N")
  parser:option("-p --param", "A parameter of the protocol, as moonpulse show lists them.")
    :count("*"):argname("KEY=VALUE")
  parser:option("--seed", "Decides the random rests; the same seed gives the same plan.")
    :convert(M.seed):argname("N")
end

--- The seed of a run: a plan file has its own, which nobody may change.
---@param options table
---@param protocol moonpulse.Protocol
---@param default integer
---@return integer
function M.seed_of(options, protocol, default)
  if protocol.seed and options.seed and options.seed ~= protocol.seed then
    cli.fail("usage", "--seed %d: the plan file fixes the seed %d: leave --seed out, or compile it again",
      options.seed, protocol.seed)
  end
  return options.seed or protocol.seed or default
end

--- Load, parameterise and build what the options name. Leaves with exit status 2 on an error.
---@return moonpulse.Protocol protocol
---@return moonpulse.Plan plan
---@return table values
function M.load(options)
  local protocol, message = catalogue.find(options.protocol)
  if not protocol then
    cli.fail("usage", "%s", message)
  end
  local given = {}
  for _, text in ipairs(options.param or {}) do
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then
      cli.fail("usage", "-p %s: write it as key=value, like -p trains=10", text)
    end
    given[key] = value
  end
  local values
  values, message = protocols.values(protocol, given)
  if not values then
    cli.fail("usage", "%s", message)
  end
  local plan
  plan, message = protocols.build(protocol, values)
  if not plan then
    cli.fail("usage", "%s", message)
  end
  return protocol, plan, values
end

return M
