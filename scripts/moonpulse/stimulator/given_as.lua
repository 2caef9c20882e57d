--- How the device gives its pulses, as it says: waveform, direction of the current, mode, coil. What it
--- said when it was connected is not what it was set to later, so the record has what it was set to, and
--- confirmed, when it was armed and for each pulse that was given.
local M = {}

--- The values of all pulses that were given, in the order in which they came: "Biphasic", or "Biphasic and
--- Biphasic Burst".
local function join(self, said)
  for key, value in pairs(said or {}) do
    local values = self.given_as[key] or {}
    self.given_as[key] = values
    if not values[value] then
      values[value], values[#values + 1] = true, value
    end
  end
  local pulse = {}
  for key, values in pairs(self.given_as) do
    pulse[key] = table.concat(values, " and ")
  end
  self.identity.pulse = pulse
end

--- The device is armed, and set for a pulse of first.
---@param self moonpulse.Stimulator
---@param first moonpulse.Action
---@return table<string, string>? said how it gives that
function M.armed(self, first)
  self.known_as = {} -- it may have been set otherwise at its panel meanwhile
  if not self.driver.pulse_of then
    return self.identity.pulse
  end
  local said = self.driver.pulse_of(self.link, first)
  if not self.given_as then -- no pulse was given so far
    self.identity.pulse = said
  end
  return said
end

--- A pulse of action was given.
---@param self moonpulse.Stimulator
---@param action moonpulse.Action
function M.sent(self, action)
  if self.driver.pulse_of and not self.known_as[action] then
    self.known_as[action] = true
    self.given_as = self.given_as or {}
    join(self, self.driver.pulse_of(self.link, action))
  end
end

return M
