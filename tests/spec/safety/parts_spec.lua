--- What is known of a plan's parts: their channels, and whether walking the tree meets pulses in time order.
local mp = require "moonpulse"
local parts = require("moonpulse.safety.walk").parts

local pulse, rest = mp.pulse(mp.mso(40)), mp.rest(1)

local function channels(plan)
  local names = {}
  for name in pairs(parts.of(plan).channels) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ",")
end

describe("what is known of a plan's parts", function()
  it("is the channels of their pulses, and only of those", function()
    local both = (pulse .. rest .. pulse:at "left") * 2 .. rest .. mp.mark "end"
    assert.are.equal(",left", channels(both))
    assert.are.equal("left,right", channels(both:at "right"))
    assert.are.equal(",left", channels(both .. rest)) -- what is around a part changes nothing of it
    assert.are.equal("", channels(pulse))
    assert.are.same({}, parts.of(rest).channels)
    assert.are.same({}, parts.of((mp.mark "x" .. rest):at "right").channels)
    local many = pulse:at "c0"
    for i = 1, 300 do
      many = many .. rest .. pulse:at("c" .. i)
    end
    assert.are.equal(301, select(2, channels(many):gsub("[^,]+", "")))
    assert.are.equal("c0", channels(parts.of(many).plan:child(1))) -- and is not the whole's
  end)

  it("is that they are plain, unless something with pulses in them lies side by side", function()
    local beside = mp.together { a = pulse, b = rest .. pulse }
    assert.is_true(parts.of((pulse .. rest) * 3 .. pulse:at "a").plain)
    assert.is_false(parts.of(beside).plain)
    assert.is_false(parts.of(pulse .. rest .. beside * 2 .. pulse).plain)
  end)

  it("is known once, as long as somebody looks at it, and of the plan that is asked for", function()
    local shared = pulse .. rest
    local part = parts.of(shared * 2)
    assert.are.equal(parts.of(shared), parts.child(part, 1))
    assert.are.equal(part, parts.of(part.plan))
    for i = 1, 300 do -- ids of plans that are gone are given again
      assert.are.equal(i / 10, parts.of(mp.pulse(mp.mso(i / 10))).intensity)
      collectgarbage(i % 50 == 0 and "collect" or "step")
    end
  end)

  it("stays known with all that is in it while somebody holds it, and no longer", function()
    local chain = pulse
    for _ = 1, 200 do -- each a part of the next one
      chain = (chain .. rest) * 1 .. pulse
    end
    local root = parts.of(chain)
    local function inmost()
      local part, found = root, {}
      repeat
        found[#found + 1], part = part, parts.child(part, 1)
      until part.kind == "pulse"
      return found
    end
    local before = inmost()
    local seen = setmetatable({ before[#before] }, { __mode = "v" })
    local count = #before
    before = nil -- luacheck: ignore 311 331
    collectgarbage()
    assert.is_true(count > 100)
    assert.is_not_nil(seen[1])
    assert.are.equal(seen[1], inmost()[count])
    root, chain = nil, nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(seen[1])
  end)
end)
