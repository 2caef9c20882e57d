--- The same cases on every shipped driver and its twin.
local conformance = require "moonpulse.conformance"
local devices = require "moonpulse.driver.find"

-- Devices that a driver cannot tell from its own: they answer its questions alike.
local kin = {
  -- a BiStim² that does not know the question for its mode begins like a 200²; arming tells them apart
  bistim = { "magstim200" },
}

for _, name in ipairs(devices.names) do
  conformance.spec(name, { kin = kin[name] })
end
