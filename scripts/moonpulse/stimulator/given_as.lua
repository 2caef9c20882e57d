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

local names = { { "waveform", "waveform" }, { "mode", "mode" }, { "current_direction", "current direction" },
  { "coil", "coil" } }

--- What a hand at its panel set otherwise since it was asked last, of what is not set by the run.
local function changed(self)
  if not self.driver.panel_of then
    return nil
  end
  local now, before = self.driver.panel_of(self.link), self.found_as or self.identity.pulse or {}
  local list = {}
  for _, each in ipairs(names) do
    local is, was = now[each[1]], before[each[1]]
    if is and was and is ~= was then
      list[#list + 1] = ("%s is %s, and was %s"):format(each[2], is, was)
    end
  end
  self.found_as = now
  return list[1] and table.concat(list, "; ") or nil
end

--- The device is armed, and set for a pulse of first. What was set otherwise at its panel is told.
---@param self moonpulse.Stimulator
---@param first moonpulse.Action
---@return table<string, string>? said how it gives that
---@return string? changed what was set otherwise since it was connected, or armed before
function M.armed(self, first)
  self.known_as = {} -- it may have been set otherwise at its panel meanwhile
  if not self.driver.pulse_of then
    return self.identity.pulse
  end
  local said, otherwise = self.driver.pulse_of(self.link, first), changed(self)
  if otherwise then
    self.job.tell_note(("%sthe stimulator was set otherwise since it was asked before: its %s. Pulses are "
      .. "given so from here on, and the record says it; a threshold that was found before may not be true "
      .. "of them")
      :format(self.job.place and self.job.place .. ": " or "", otherwise))
  end
  if not self.given_as then -- no pulse was given so far
    self.identity.pulse = said
  end
  return said, otherwise
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
