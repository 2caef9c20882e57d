--- Conformance cases about limits: both sides of every edge, as a run's check sees them.
local core = require "moonpulse.core"
local lower = require "moonpulse.lowering"
local intensities = require "moonpulse.compose.intensity"
local mp = require "moonpulse"

local M = {}

local function prepare(kit, plan)
  return lower.prepare { plan = plan, seed = 1, driver = kit.driver, thresholds = {},
    timing = "host" }
end

--- A plan that its device refuses; the sentence.
local function refused(kit, what, make)
  local made, plan = pcall(make)
  if not made then
    return tostring(plan) -- no plan can even say it
  end
  local ok, problem = pcall(prepare, kit, plan)
  kit:check(not ok, "%s is taken", what)
  kit:check(type(problem) == "table" and problem.message, "%s: %s", what, tostring(problem))
  return problem.message
end

--- An intensity that the cases chose: no author wrote it, who could mean another.
local function mso_of(percent)
  return intensities.new(percent, "MSO")
end

local function accepted(kit, what, make)
  local ok, lowering, actions = pcall(function()
    return prepare(kit, make())
  end)
  kit:check(ok, "%s is refused: %s", what, tostring(lowering))
  return actions
end

local function single(kit, mso)
  local names = kit.driver.limits(nil).channel_names
  local plan = mp.pulse(mso_of(mso))
  return names and plan:at(names[1]) or plan
end

local function intensity_edges(kit)
  local range = kit.driver.limits(nil).intensity
  for _, value in ipairs { range.min, range.min + range.step, range.max - range.step, range.max } do
    if value > 0 then
      local actions = accepted(kit, value .. " %", function() return single(kit, value) end)
      kit:check(math.abs(actions[1].mso - value) < 1e-9, "%g %% becomes %g %%", value, actions[1].mso)
    end
  end
  for _, value in ipairs { range.max + range.step, range.min - range.step } do
    if value > 0 then
      refused(kit, ("%g %%, one step outside the range,"):format(value),
        function() return single(kit, value) end)
    end
  end
end

local function grid(kit)
  local range = kit.driver.limits(nil).intensity
  local base = kit:level(0.5)
  for _, part in ipairs { 0.3, 0.7 } do
    local asked = base + part * range.step
    local nearest = part < 0.5 and base or base + range.step
    local actions = accepted(kit, asked .. " %", function() return single(kit, asked) end)
    kit:check(math.abs(actions[1].mso - nearest) < 1e-9, "%g %% becomes %g %%, not the nearest, %g %%",
      asked, actions[1].mso, nearest)
  end
end

local function pair(kit, ns, mso)
  local names = kit.driver.limits(nil).channel_names
  local plan = mp.train { pulses = 2, every = ("%d/1000000000"):format(ns), intensity = mso_of(mso) }
  return names and plan:at(names[1]) or plan
end

--- The shortest interval that is taken, found by halving: neighbours on both sides of the edge.
local function find_edge(kit, mso)
  local low, high = 1000, 50000000000
  accepted(kit, "an interval of 50 s", function() return pair(kit, high, mso) end)
  refused(kit, "an interval of 1 us", function() return pair(kit, low, mso) end)
  while high - low > 1 do
    local middle = (low + high) // 2
    if pcall(prepare, kit, pair(kit, middle, mso)) then
      high = middle
    else
      low = middle
    end
  end
  return high, refused(kit, ("an interval of %d ns"):format(low),
    function() return pair(kit, low, mso) end)
end

local function interval_edge(kit)
  for _, share in ipairs { 0.2, 0.9 } do
    local mso = kit:level(share)
    local limits = kit.driver.limits(nil)
    local edge_ns, text = find_edge(kit, mso)
    local stated_ns = limits.shortest_interval(kit:action(share)) * 1e9
    kit:check(edge_ns >= stated_ns - 1, "at %g %% %d ns are taken, the driver says %.0f ns", mso,
      edge_ns, stated_ns)
    if edge_ns > stated_ns + 1 then
      kit:check(text:find("shortest interval is", 1, true), "at %g %% the edge is %d ns, the driver says "
        .. "%.0f ns: %s", mso, edge_ns, stated_ns, text)
    else
      kit:check(text:find(limits.why, 1, true), "the refusal does not give the rule (why): %s", text)
    end
  end
end

local function zero(kit)
  local text = refused(kit, "an intensity of 0 %", function()
    local step = kit.driver.limits(nil).intensity.step
    return single(kit, step / 4)
  end)
  kit:check(#text > 30, "the refusal says too little: %s", text)
end

local function channels(kit)
  local limits = kit.driver.limits(nil)
  local function across(count)
    local plan
    for i = 1, count do
      local name = limits.channel_names and limits.channel_names[i] or tostring(i)
      local each = mp.pulse(mso_of(kit:level(0.3))):at(name)
      plan = plan and plan .. mp.rest(100) .. each or each
    end
    return plan
  end
  accepted(kit, limits.channels .. " channels", function() return across(limits.channels) end)
  local text = refused(kit, limits.channels + 1 .. " channels", function()
    return across(limits.channels + 1)
  end)
  kit:check(text:find(kit.driver.description, 1, true), "the refusal does not name the device: %s", text)
end

local function change(kit)
  local from, to = kit:action(0.3), kit:action(0.6)
  local bytes, lead = kit.driver.encode.set(from, to)
  if not bytes then
    kit:check(type(lead) == "string" and #lead > 10, "encode.set refuses without saying why")
    return
  end
  kit:check(type(bytes) == "string" and type(lead) == "number" and lead >= 0,
    "encode.set must return bytes and a lead in seconds")
  local function plan(seconds)
    local names = kit.driver.limits(nil).channel_names
    local made = mp.pulse(mso_of(from.mso)) .. mp.rest(seconds) .. mp.pulse(mso_of(to.mso))
    return names and made:at(names[1]) or made
  end
  accepted(kit, "a change of intensity within 50 s", function() return plan(50) end)
  local wire = core.wire_ns(kit.driver.serial, #bytes) / 1e9
  if lead + wire > 2e-6 then
    refused(kit, "a change of intensity in 1 us", function() return plan(1e-6) end)
  end
end

local function before_and_after(kit)
  local _, identity = kit:connected()
  for _, limits in ipairs { kit.driver.limits(nil), kit.driver.limits(identity) } do
    local range = limits.intensity
    kit:check(range.min <= range.max and range.step > 0, "limits: intensity has no range")
    kit:check(limits.channels >= 1 and #limits.why > 10, "limits: channels and why are needed")
    kit:check(not limits.channel_names or #limits.channel_names == limits.channels,
      "limits: as many channel_names as channels are needed")
    local shortest = limits.shortest_interval(kit:action(0.5))
    kit:check(type(shortest) == "number" and shortest >= 0 and shortest < 100,
      "limits: shortest_interval gives %s", tostring(shortest))
  end
end

M.cases = {
  { "intensities up to both edges are taken, one step beyond refused", intensity_edges },
  { "intensities between two steps go to the nearest", grid },
  { "the shortest interval is taken, one nanosecond less refused", interval_edge },
  { "an intensity that rounds to 0 is refused", zero },
  { "as many channels as the device has are taken, one more refused", channels },
  { "a change of intensity gets the time it needs", change },
  { "limits are whole before and after the device was asked", before_and_after },
}

return M
