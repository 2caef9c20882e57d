--- Moonpulse: compose brain-stimulation protocols. local mp = require "moonpulse"
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local intensities = require "moonpulse.intensity"
local protocols = require "moonpulse.protocol"

local mp = {
  version = core.version,
  pulse = compose.pulse,
  pair = compose.pair,
  burst = compose.burst,
  train = compose.train,
  theta_burst = compose.theta_burst,
  rest = compose.rest,
  mark = compose.mark,
  together = compose.together,
  protocol = protocols.protocol,
}

--- Percent of the stimulator's maximum output.
function mp.mso(percent)
  return intensities.new(percent, "MSO")
end

--- Percent of the participant's resting motor threshold (run with --rmt).
function mp.rmt(percent)
  return intensities.new(percent, "RMT")
end

--- Percent of the participant's active motor threshold (run with --amt).
function mp.amt(percent)
  return intensities.new(percent, "AMT")
end

--- Milliseconds as seconds: mp.ms(20) is 0.02.
function mp.ms(value)
  return value / 1e3
end

--- Microseconds as seconds.
function mp.us(value)
  return value / 1e6
end

return mp
