--- A simulator on a port stamps a command when its process gets the processor. What was sent as soon as the
--- device allows, behind a command that was looked at late, must not be refused for that: the allowance that
--- docs/stopping.md promises, on every device of the registry. In virtual time there is none.
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local kits = require "moonpulse.conformance.kit"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"

--- Seconds that a second command may look too early: nearly a tenth, nearly 20 ms at most.
local function early_of(seconds)
  return math.min(seconds / 10, 0.02) * 0.9
end

--- What a simulator that is armed gives and confirms of two commands, the second `apart` seconds after the
--- first.
---@param kit table
---@param action moonpulse.Action
---@param apart number
---@param on_port boolean
---@return integer pulses
---@return integer confirmed
local function gives(kit, action, actions, apart, on_port)
  local stand = kit:stand()
  stand.simulator.on_port = on_port
  kit:connected(stand)
  stand:keep_alive(true)
  kit.driver.arm(stand, action, actions)
  local before, heard = stand.simulator:state().pulses, #stand.replies
  local fired = action.train and action.train.start or kit.driver.encode.pulse(action)
  local bytes = type(fired) == "table" and (fired.bytes or "") or fired
  local wire_ns = core.wire_ns(kit.driver.serial, #bytes)
  local second_ns = stand.now_ns + wire_ns + math.floor(apart * 1e9)
  stand:fire(fired)
  stand:pass(second_ns - wire_ns)
  stand:fire(fired)
  stand:pass(stand.now_ns + math.floor(((action.busy or 0) + kit.driver.reply_timeout) * 1e9))
  local confirmed = 0
  for i = heard + 1, #stand.replies do
    confirmed = confirmed + (kit.driver.judge(stand.replies[i], action) == "confirm" and 1 or 0)
  end
  return stand.simulator:state().pulses - before, confirmed
end

--- What a setting that comes `after` seconds behind a start leaves unconfirmed, or contradicted.
local function unsettled(kit, from, to, after, on_port)
  local stand = kit:stand()
  stand.simulator.on_port = on_port
  kit:connected(stand)
  stand:keep_alive(true)
  kit.driver.arm(stand, from, { from, to })
  local bytes, _, fields = kit.driver.encode.set(from, to)
  local wire_ns = core.wire_ns(kit.driver.serial, #from.train.start)
  local at_ns = stand.now_ns + wire_ns + math.floor(after * 1e9)
  stand:fire(from.train.start)
  stand:pass(at_ns - core.wire_ns(kit.driver.serial, #bytes))
  local heard, open = #stand.replies, {}
  stand:write(bytes)
  stand:pass(stand.now_ns + math.floor(kit.driver.reply_timeout * 1e9))
  for _, field in ipairs(fields) do
    open[field] = true
  end
  for i = heard + 1, #stand.replies do
    for field, verdict in pairs(kit.driver.tells(stand.replies[i], to, kit.driver.settings or {}) or {}) do
      open[field] = verdict ~= true and verdict or nil
    end
  end
  return open
end

local function on_stands(action)
  return function(kit, ...)
    local given = table.pack(...)
    return kit:on_stands(function() return action(kit, table.unpack(given, 1, given.n)) end)
  end
end

gives, unsettled = on_stands(gives), on_stands(unsettled)

-- What each device times itself: two of them as close as the driver allows.
local function program(name, mso)
  if name == "bistim" then
    return mp.pair { isi = 0.01, intensity = { mp.mso(mso), mp.mso(60) } }
  end
  return mp.train { pulses = 5, hz = 10, intensity = mp.mso(mso) }
end

local settings = { pulsepal = { full_scale_volts = "10" }, stimjim = { full_scale_ua = "2000" } }

describe("a simulator on a port", function()
  for _, name in ipairs(devices.names) do
    local function kit_of()
      return kits.new(assert(devices.find(name)))
    end

    it(("takes single pulses that look a little too close: %s"):format(name), function()
      local kit = kit_of()
      for _, share in ipairs { 0.2, 0.6, 0.9 } do
        local action = kit:action(share)
        local interval = math.max(kit.driver.limits(nil).shortest_interval(action),
          kit.driver.encode.busy and kit.driver.encode.busy(action) or 0)
        local confirms = kit.driver.confirms ~= false and 2 or 0
        assert.are.same({ 2, confirms }, { gives(kit, action, { action }, interval, false) })
        assert.are.same({ 2, confirms },
          { gives(kit, action, { action }, interval - early_of(interval), true) })
      end
    end)
  end

  for _, name in ipairs { "magventure", "bistim", "rapid", "pulsepal", "stimjim" } do
    local kit = kits.new(assert(devices.find(name)), { settings = settings[name] })
    local plan = program(name, 40)
    local _, actions = lower.prepare { plan = plan .. mp.rest(30) .. program(name, 41), seed = 1,
      driver = kit.driver, thresholds = {}, timing = "device" }
    local action = actions[1]

    it(("takes what it times itself a little too close: %s"):format(name), function()
      local pulses = plan:totals().pulses
      local alone = { gives(kit, action, actions, 20, true) }
      assert.are.equal(2 * pulses, alone[1])
      assert.are.same(alone, { gives(kit, action, actions, action.busy, false) })
      assert.are.same(alone, { gives(kit, action, actions, action.busy - early_of(action.busy), true) })
    end)

    it(("takes settings that look a little too close behind that: %s"):format(name), function()
      assert.is_true(math.abs(actions[2].mso - 41) < 0.001) -- the nearest that it can be set to
      assert.are.same({}, unsettled(kit, action, actions[2], action.locked, false))
      assert.are.same({}, unsettled(kit, action, actions[2], action.locked - early_of(action.locked), true))
    end)
  end
end)
