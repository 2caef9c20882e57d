--- The same cases on every shipped driver and its twin.
local conformance = require "moonpulse.conformance"
local devices = require "moonpulse.devices"

-- Devices that a driver cannot tell from its own: they answer its questions alike.
local kin = {}

for _, name in ipairs(devices.names) do
  conformance.spec(name, { kin = kin[name] })
end
