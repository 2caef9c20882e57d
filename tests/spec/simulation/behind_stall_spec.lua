-- Every shipped simulator, and the one that an author begins with, behind a loop that stalls for up to
-- seconds: what was sent no sooner than the device allows is given, in however many reads it comes, and cut
-- wherever they cut it. Time is the spec's own here.
local chances = require "chance"
local conformance = require "moonpulse.conformance"
local find = require "moonpulse.driver.find"
local serve = require "moonpulse.simulation.serve"

local MS, PULSES = 1000000, 14

--- Its driver, and a simulator that its driver has armed, served on a port: its time is 0 now.
local function armed(name)
  local kit = conformance.kit(assert(find.find(name)))
  local simulator, now_ns = kit:on_stands(function()
    local stand = kit:armed()
    return stand.simulator, stand.now_ns - stand.served.on_ns
  end)
  local host = assert(serve.start(kit.model, { simulator = simulator }))
  host.on_ns = host.now_ns - now_ns
  return kit, host
end

--- What a run sends, in the order in which it is written: { at_ns, bytes }.
local function sent(kit, chance)
  local driver, action, list = kit.driver, kit:action(), {}
  local shortest_ns = math.ceil(driver.limits(nil).shortest_interval(action) * 1e9)
  local at_ns = 200 * MS
  for _ = 1, PULSES do
    local pulse = driver.encode.pulse(action)
    if type(pulse) == "string" then
      list[#list + 1] = { at_ns, pulse }
    elseif pulse.line then
      return nil -- a pseudo-terminal has no lines
    else
      list[#list + 1] = { at_ns, pulse.bytes }
      list[#list + 1] = { at_ns + math.floor(pulse.width * 1e9), pulse.after }
      shortest_ns = math.floor(pulse.width * 1e9) + 1 * MS
    end
    at_ns = at_ns + shortest_ns + (chance:once_in(2) and 0 or chance:draw(0, 400) * MS)
  end
  local alive = driver.keepalive
  local answered_ns = chance:draw(1, 100) * MS
  for i = 1, alive and (at_ns // math.floor(alive.period * 1e9)) or 0 do
    list[#list + 1] = { i * math.floor(alive.period * 1e9) - answered_ns, alive.bytes }
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list, at_ns
end

--- Hand over what was written from since_ns to at_ns, in pieces that are cut anywhere.
local function read(host, bytes, at_ns, since_ns, chance)
  local from = 1
  while from <= #bytes do
    local to = chance:once_in(2) and #bytes or chance:draw(from, #bytes)
    host:receive(bytes:sub(from, to), at_ns, since_ns)
    from = to + 1
  end
end

--- The loop looks at once, some milliseconds later, or after a stall.
local function next_look(chance)
  return chance:once_in(3) and chance:draw(1, 5000) * MS or chance:draw(1, 20000) * MS // 1000
end

local function play(name, seed)
  local chance = chances.new(seed)
  local kit, host = armed(name)
  local list, end_ns = sent(kit, chance)
  if not list then
    host:close()
    return nil
  end
  local said, note = {}, host.note
  host.note = function(self, log)
    for _, entry in ipairs(log or {}) do
      said[#said + 1] = entry.event ~= "get" and ("%s %s"):format(entry.event, entry.note or "") or nil
    end
    note(self, log)
  end
  local begun_ns, since_ns, at_ns, i = host.now_ns, host.now_ns, 0, 1
  while at_ns < end_ns do
    at_ns = at_ns + next_look(chance)
    local bytes = ""
    while list[i] and list[i][1] <= at_ns do
      bytes, i = bytes .. list[i][2], i + 1
    end
    read(host, bytes, begun_ns + at_ns, since_ns, chance)
    since_ns = begun_ns + at_ns
  end
  host:tick(begun_ns + at_ns + 50 * MS) -- what goes on by itself
  host:close()
  return host.counts, table.concat(said, "\n")
end

--- What a pulse gives that is sent once a new setting has had its lead, where that was read so late (ns);
--- nil: its intensity cannot be changed while it is armed.
local function given_after(name, late_ns)
  local kit, host = armed(name)
  local from, to, given = kit:action(0.3), kit:action(0.8), nil
  host.note = function(_, log)
    for _, entry in ipairs(log or {}) do
      given = entry.event == "pulse" and { entry.note, entry.given } or given
    end
  end
  local bytes, lead = kit.driver.encode.set(from, to)
  local pulse = kit.driver.encode.pulse(to)
  if not bytes or type(pulse) ~= "string" then
    host:close()
    return nil
  end
  local alive, begun_ns = kit.driver.keepalive, host.now_ns + 100 * MS
  local read_ns, lead_ns = begun_ns + late_ns, math.ceil(lead * 1e9)
  host:receive(bytes, read_ns, begun_ns - MS)
  for at_ns = read_ns + 400 * MS, begun_ns + lead_ns - MS, 400 * MS do
    host:receive(alive and alive.bytes or "", at_ns, at_ns)
  end
  local fires_ns = math.max(read_ns, begun_ns + lead_ns) + MS
  host:receive(pulse, fires_ns, fires_ns)
  host:tick(fires_ns + 50 * MS)
  host:close()
  return given or "nothing"
end

describe("a simulator behind a loop that stalls", function()
  local template = "scripts/moonpulse/templates/driver/mybox.lua"
  for _, name in ipairs { template, table.unpack(find.names) } do
    it("gives every pulse that was sent in time: " .. name, function()
      for seed = 1, 12 do
        local counts, said = play(name, seed)
        if not counts then
          return pending "a pseudo-terminal has no modem lines"
        end
        assert.are.same({ PULSES }, { counts.pulse, counts.ignored, counts.error },
          ("seed %d:\n%s"):format(seed, said))
      end
    end)

    it("does not take four that surely came at once without a word: " .. name, function()
      local kit, host = armed(name)
      local pulse = kit.driver.encode.pulse(kit:action())
      if type(pulse) ~= "string" then
        host:close()
        return pending "it takes whatever comes"
      end
      host:receive(pulse:rep(4), host.now_ns + 100 * MS, host.now_ns + 100 * MS)
      host:tick(host.now_ns + 50 * MS)
      assert.is_true((host.counts.ignored or 0) + (host.counts.error or 0) > 0)
      host:close()
    end)

    it("is as it was set when the pulse comes for which it was set: " .. name, function()
      local wanted = given_after(name, 0)
      if not wanted then
        return pending "it is set to nothing else while it is armed"
      end
      assert.are_not.equal("nothing", wanted)
      for late_ms = 1, 900, 37 do
        assert.are.same(wanted, given_after(name, late_ms * MS), late_ms)
      end
    end)
  end
end)
