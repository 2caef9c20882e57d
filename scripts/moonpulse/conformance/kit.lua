--- What the conformance cases share: a driver and its simulator at hand, verdicts, steps of a run.
local chance = require "moonpulse.conformance.chance"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local in_order = require "moonpulse.text.in_order"
local refusals = require "moonpulse.text.refusal"
local stands = require "moonpulse.conformance.tap"
local virtual_time = require "moonpulse.simulation.virtual_time"

local M = {}

local Kit = {}
Kit.__index = Kit

local Skip = { __tostring = function(self) return self.why end }

--- Why a case does not apply; nil where the problem is another one.
---@param problem any the error that a case raised
---@return string?
function M.skipped(problem)
  return getmetatable(problem) == Skip and problem.why or nil
end

--- What the cases of one driver share: the driver as a run uses it, its simulator's model, and chance.
---@param driver moonpulse.Driver as moonpulse.driver.find finds it
---@param options { settings: table?, kin: string[]? }?  settings: as --device-option; kin: names of
---   devices that the driver cannot tell from its own, and need not
function M.new(driver, options)
  options = options or {}
  local model = assert(devices.simulator(driver))
  return setmetatable({
    plain = driver, driver = devices.configure(driver, options.settings), model = model,
    kin = options.kin or {}, chance = chance.new(7), memory = {}, stands = {},
  }, Kit)
end

-- Verdicts -----------------------------------------------------------------------------------------

--- This case does not apply to the driver.
---@param text string why, a format
function Kit.skip(_, text, ...)
  error(setmetatable({ why = text:format(...) }, Skip), 0)
end

--- The driver does not conform.
---@param text string what is wrong, a format
function Kit.fail(_, text, ...)
  error(select("#", ...) > 0 and text:format(...) or text, 0)
end

--- Fail if condition does not hold.
---@param condition any
---@param text string what is wrong then, a format
---@return any condition
function Kit:check(condition, text, ...)
  if not condition then
    self:fail(text, ...)
  end
  return condition
end

--- Call what may end in a fault or a stop; any other error is a mistake of the driver.
---@param what string what is called, for the sentence
---@param action function
---@return boolean ok
---@return any result or problem
function Kit:try(what, action, ...)
  local ok, result = xpcall(action, function(problem)
    return type(problem) == "table" and problem or debug.traceback(tostring(problem), 2)
  end, ...)
  if not ok and not refusals.is_fault(result) and not refusals.is_stopped(result) then
    self:fail("%s raises a Lua error instead of io:fault: %s", what, tostring(result))
  end
  return ok, result
end

--- It must end in a fault that says what to do.
---@param what string what is called, for the sentence
---@param action function
---@return table problem
function Kit:faults(what, action, ...)
  local ok, problem = self:try(what, action, ...)
  self:check(not ok, "%s does not fail", what)
  self:check(refusals.is_fault(problem), "%s ends with %q, not with io:fault", what, tostring(problem))
  self:check(#problem.message >= 30, "%s: %q does not say what to do", what, problem.message)
  return problem
end

-- Actions ------------------------------------------------------------------------------------------

--- A value of the device's grid, share of the way from its smallest to its largest.
---@param share number 0 to 1
---@return number %MSO
function Kit:level(share)
  local range = self.driver.limits(nil).intensity
  local steps = math.floor((range.max - range.min) / range.step * share + 0.5)
  local value = range.min + math.max(steps, range.min > 0 and 0 or 1) * range.step
  return math.type(range.step) == "integer" and math.tointeger(value) or value
end

--- An action as lower.prepare makes it.
---@param share number? of the grid; 0.3
---@param channel string? the first one
---@return moonpulse.Action
function Kit:action(share, channel)
  local limits, value = self.driver.limits(nil), self:level(share or 0.3)
  return { channel = channel or limits.channel_names and limits.channel_names[1] or "",
    mso = value, exact_mso = value, intensity = value, reference = "MSO" }
end

-- Steps --------------------------------------------------------------------------------------------

--- What the simulator must know of the driver's options, such as the model that is meant.
function Kit:simulator_settings()
  return devices.simulator_settings(self.driver, self.model)
end

--- A simulator that was just switched on.
function Kit:simulator()
  return self.model.new(self:simulator_settings())
end

--- A new stand; it is closed when the case is over.
---@param simulator moonpulse.Simulator? nil: nobody is there
---@return moonpulse.conformance.Stand
function Kit:stand_with(simulator)
  local stand = stands.new(self.driver, simulator)
  self.stands[#self.stands + 1] = stand
  return stand
end

--- A new stand with a simulator that was just switched on.
---@return moonpulse.conformance.Stand
function Kit:stand()
  return self:stand_with(self:simulator())
end

--- Call action in virtual time, where stands are; those that it made are closed after it.
---@param action fun(): any
---@return any what it returned
function Kit:on_stands(action)
  if not pcall(core.current) then
    return core.run(self.on_stands, self, action)
  elseif core.is_virtual() then
    return action()
  end
  local time <close> = virtual_time.begin "max" -- luacheck: ignore 211
  collectgarbage("setpause", 200) -- many short conversations: what they leave would pile up
  local results = table.pack(pcall(action))
  for _, stand in ipairs(self.stands) do
    stand:close()
  end
  self.stands = {}
  if not results[1] then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

--- Connected, as before a run.
---@param stand table? a new one
---@return table stand
---@return moonpulse.Identity
function Kit:connected(stand)
  stand = stand or self:stand()
  return stand, self.driver.connect(stand)
end

--- Armed for an action, keep-alives included.
---@param share number? of the grid, as for action()
---@param stand table? a new one
---@return table stand
function Kit:armed(share, stand)
  stand = self:connected(stand)
  stand:keep_alive(true)
  self.driver.arm(stand, self:action(share))
  return stand
end

--- Fire once, and wait for what the device says.
---@param stand table armed
---@param action moonpulse.Action
---@return string[] verdicts of judge
---@return string[] texts
function Kit:fire(stand, action)
  local before, pulses = #stand.replies, stand:count "pulse"
  stand:fire(self.driver.encode.pulse(action))
  stand:pass(stand.now_ns + math.floor(self.driver.reply_timeout * 1e9))
  local verdicts, texts = {}, {}
  for i = before + 1, #stand.replies do
    local verdict, text = self.driver.judge(stand.replies[i], action, self.driver.settings, stand.dialect)
    verdicts[#verdicts + 1], texts[#texts + 1] = verdict or "nothing", text or ""
  end
  return verdicts, texts, stand:count "pulse" - pulses
end

--- Does the list hold value?
---@param list any[]
---@param value any
---@return boolean
function Kit.holds(_, list, value)
  for _, each in ipairs(list) do
    if each == value then
      return true
    end
  end
  return false
end

--- Safe frame and disarm, as every way out of a run.
---@param stand table
---@return boolean ok
---@return any what disarm returned, or the problem
function Kit:leave(stand)
  stand:keep_alive(false)
  stand:safe()
  return self:try("disarm", self.driver.disarm, stand)
end

--- Has the device nothing to arm? It fires from the moment it is switched on, or set up.
function Kit:always_ready()
  if self.memory.always_ready == nil then
    local _, _, unarmed = self:fire((self:connected()), self:action())
    local stand = self:armed()
    local armed = stand.simulator:state().armed
    local _, _, pulses = self:fire(stand, self:action())
    self.memory.always_ready = unarmed > 0 or pulses > 0 and not armed
  end
  return self.memory.always_ready
end

--- Armed, as far as the device knows such a thing.
---@param stand table
---@return boolean
function Kit:is_armed(stand)
  return stand.simulator:state().armed or self:always_ready()
end

--- Fires it nothing any more? Some are armed at their panel only, and harmless at an intensity of 0.
---@param stand table
---@return boolean
function Kit:is_harmless(stand)
  if not stand.simulator:state().armed then
    return true
  end
  stand:keep_alive(true) -- its watchdog shall not do the driver's work
  self:recharge(stand, self:action())
  local _, _, pulses = self:fire(stand, self:action())
  stand:keep_alive(false)
  return pulses == 0
end

--- For cases about arming.
function Kit:needs_arming()
  if self:always_ready() then
    self:skip("the device is always ready to fire")
  end
end

--- For cases about intensities: can they be changed, as far as encode.set knows?
function Kit:needs_intensity()
  local bytes, why = self.driver.encode.set(self:action(0.3), self:action(0.6))
  if not bytes then
    self:skip("no change of intensity: %s", why)
  end
  return bytes, why
end

--- Does the device never answer?
function Kit:mute()
  if self.memory.mute == nil then
    self.memory.mute = self:on_stands(function() return #self:armed().heard == 0 end)
  end
  return self.memory.mute
end

--- For cases about replies.
function Kit:needs_replies()
  if self:mute() then
    self:skip("the device never answers")
  end
end

--- Wait as long as the device needs between pulses.
---@param stand table
---@param action moonpulse.Action
function Kit:recharge(stand, action)
  local shortest = self.driver.limits(nil).shortest_interval(action)
  stand:pass(stand.now_ns + math.ceil(shortest * 1e9))
end

local function gather(self)
  local names, heard, dialect = in_order.keys(self.driver.commands), {}, nil
  for _ = 1, 2 do
    local stand = self:armed() -- new each time: commands at random may leave it in a state that cannot arm
    self:fire(stand, self:action())
    for _, name in ipairs(names) do
      local _, bytes = self.chance:command(self.driver.commands[name])
      if bytes then
        stand:give(bytes)
        stand:pass(stand.now_ns + 300000000)
      end
    end
    table.move(stand.heard, 1, #stand.heard, #heard + 1, heard)
    dialect = stand.dialect
  end
  local seen, list = {}, {}
  for _, piece in ipairs(heard) do
    local rest = piece.bytes
    while #rest > 0 do
      local reply, used = self.driver.decode(rest, dialect)
      if used == 0 then
        break
      end
      local bytes = rest:sub(1, used)
      rest = rest:sub(used + 1)
      if reply and reply.name ~= "error" and not seen[bytes] then
        seen[bytes] = true
        list[#list + 1] = bytes
      end
    end
  end
  self.memory.harvest, self.memory.dialect = list, dialect
  return list, dialect
end

--- Every reply that the simulator can be made to give, byte for byte, and the dialect to read it in.
function Kit:harvest()
  if self.memory.harvest then
    return self.memory.harvest, self.memory.dialect
  end
  return self:on_stands(function() return gather(self) end)
end

return M
