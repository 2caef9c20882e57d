--- Moonpulse: compose brain-stimulation protocols. local mp = require "moonpulse"
local blame = require "moonpulse.text.author_line"
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local experiments = require "moonpulse.experiment"
local intensities = require "moonpulse.compose.intensity"
local order = require "moonpulse.compose.order"
local protocols = require "moonpulse.protocol"
local sandbox = require "moonpulse.protocol.sandbox"
local sham = require "moonpulse.protocol.sham"

-- called through C, so that errors can name the author's line also in "return mp.burst { ... }"
local framed = core.framed

local mp = {
  version = core.version,
  pulse = framed(compose.pulse),
  pair = framed(compose.pair),
  burst = framed(compose.burst),
  train = framed(compose.train),
  theta_burst = framed(compose.theta_burst),
  rest = framed(compose.rest),
  mark = framed(compose.mark),
  together = framed(compose.together),
  shuffle = framed(order.shuffle),
  trials = framed(order.trials),
  sham = framed(sham.plan),
  protocol = framed(protocols.protocol),
  experiment = framed(experiments.experiment),
}

--- Percent of the stimulator's maximum output.
---@param percent number
---@return moonpulse.Intensity
mp.mso = framed(function(percent)
  return intensities.written(percent, "MSO")
end)

--- Percent of the participant's resting motor threshold (run with --rmt).
---@param percent number
---@return moonpulse.Intensity
mp.rmt = framed(function(percent)
  return intensities.written(percent, "RMT")
end)

--- Percent of the participant's active motor threshold (run with --amt).
---@param percent number
---@return moonpulse.Intensity
mp.amt = framed(function(percent)
  return intensities.written(percent, "AMT")
end)

--- Milliseconds as seconds: mp.ms(20) is 0.02.
---@param value number milliseconds
---@return number seconds
mp.ms = framed(function(value)
  return compose.number("ms", value) / 1e3
end)

--- Microseconds as seconds.
---@param value number microseconds
---@return number seconds
mp.us = framed(function(value)
  return compose.number("us", value) / 1e6
end)

--- A misspelt function is the commonest mistake: say what there is.
setmetatable(mp, {
  __index = function(_, name)
    local names = {}
    for known in pairs(mp) do
      names[#names + 1] = known
    end
    table.sort(names)
    blame.fail("there is no mp.%s; there are: %s", tostring(name), table.concat(names, ", "))
  end,
})

sandbox.hand_out(mp)

return mp
