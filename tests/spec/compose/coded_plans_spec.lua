-- Event codes in plans: which code goes with which pulse, what is refused, and that nothing loses them.
local compose = require "moonpulse.compose"
local core = require "moonpulse.core"
local intensities = require "moonpulse.compose.intensity"
local plan_files = require "moonpulse.protocol.plan_file"
local plans = require "plans"
local redraw = require "moonpulse.compose.redraw"
local remainder = require "moonpulse.compose.remainder"

describe("event codes", function()
  local mso = function(percent) return intensities.written(percent, "MSO") end

  --- The codes of a plan's events, in their order; 0: none.
  local function codes(plan)
    local schedule, list = core.schedule(plan, 1), {}
    while true do
      local kind, _, _, _, _, code = schedule:next()
      if not kind then
        return list
      end
      list[#list + 1] = code
    end
  end

  local pulse = compose.pulse(mso(40))

  it("go with each pulse of a part, and marks have their own", function()
    assert.are.same({ 7 }, codes(compose.pulse { intensity = mso(40), code = 7 }))
    assert.are.same({ 9, 9 }, codes(compose.pair { isi = 0.01, intensity = mso(40), code = 9 }))
    assert.are.same({ 1, 1, 1 }, codes(compose.burst { pulses = 3, hz = 50, intensity = mso(40), code = 1 }))
    assert.are.same({ 255, 255 },
      codes(compose.train { pulses = 2, hz = 5, intensity = mso(40), code = 255 }))
    assert.are.same({ 3, 5, 5 },
      codes(compose.mark("S1", { code = 3 }) .. pulse:times(2, { every = 1 }):code(5)))
    assert.are.same({ 0, 5 }, codes((compose.mark "S1" .. pulse):code(5))) -- no mark takes one from outside
    assert.are.same({ 0 }, codes(pulse))
  end)

  it("are the innermost's, whatever is shared, repeated, named or side by side", function()
    local coded = pulse:code(4)
    assert.are.same({ 4, 6, 4 }, codes((coded .. pulse .. coded):code(6)))
    for _, all in ipairs { coded, coded:label "A", coded:at "left", coded .. compose.rest(1),
      pulse:code(4):code(5) } do -- wrapped or not
      assert.are.same({ 4 }, codes(all:code(6)))
    end
    assert.are.same({ 8, 6, 0 }, codes(pulse:code(8) .. pulse:code(6) .. pulse))
    assert.are.same({ 2, 2 }, codes(pulse:times(2, { gap = 1 }):label("A"):code(2)))
    assert.are.same({ 2, 2 }, codes(pulse:times(2, { gap = 1 }):code(2):label "A"))
    assert.are.same({ 1, 2 },
      codes(compose.together { left = pulse:code(1), right = compose.rest(1) .. pulse:code(2) }))
    assert.are.same({ 3, 3 },
      codes(compose.together { left = pulse, right = compose.rest(1) .. pulse }:code(3)))
    local sequence = (pulse .. compose.rest(1)):code(5) .. pulse -- a part with a code does not dissolve
    assert.are.same({ 5, 0 }, codes(sequence))
    assert.is_true(sequence:totals().coded)
    assert.is_false(pulse:totals().coded)
  end)

  it("are from 1 to 255, or refused at the author's line with what to write", function()
    plans.refused(function() local _ = compose.pulse { intensity = mso(40), code = 0 } end,
      "from 1 to 255", "not 0")
    plans.refused(function() local _ = compose.pulse { intensity = mso(40), code = 256 } end,
      "not 256")
    plans.refused(function() local _ = compose.mark("S1", { code = 1.5 }) end,
      "mark: a code is a whole number", "1.5")
    plans.refused(function() local _ = compose.mark("S1", { codes = 7 }) end,
      "no option \"codes\"", "code")
    plans.refused(function() local _ = compose.mark("S1", { code = "7" }) end,
      "\"7\"")
    plans.refused(function() local _ = pulse:code(-1) end,
      "code: a code is", "not -1")
    plans.refused(function() local _ = pulse:code() end,
      "like code = 7, not nil")
    plans.refused(function() local _ = compose.rest(1):code(7) end,
      "no pulse in this plan", "mp.mark(\"S1\", { code = 7 })")
  end)

  it("come through a plan file, byte for byte, and through what is left of a plan", function()
    local plan = (compose.mark("go", { code = 9 }) .. pulse:code(3) .. compose.rest { min = 1, max = 2 })
      :times(3, { gap = 1 }):code(200)
    local text = plan_files.write(plan, { id = "coded", seed = 1 })
    assert.are.equal("moonpulse-plan 4", text:match "^[^\n]*")
    local back = assert(plan_files.read(text, "coded.plan"))
    assert.are.same(codes(plan), codes(back.plan))
    assert.are.equal(text, plan_files.write(back.plan, { id = "coded", seed = 1 }))
    local left = remainder.of(plan, 1, { what = "trial", number = 2 })
    assert.are.same({ 9, 3, 9, 3 }, codes(left))
    local mixed = (pulse .. compose.rest(1) .. pulse):times(3, { gap = 1 }):code(200)
    assert.are.same({ 200, 200, 200, 200, 200 },
      codes(remainder.of(mixed, 1, { what = "trial", number = 2 })))
    local children = { pulse, pulse }
    assert.are.same({ 6, 6 }, codes(redraw.with_children((pulse .. compose.rest(1)):code(6), children)))
  end)

  it("are counted, with the two that come closest and their lines", function()
    local plan = pulse:code(3):times(4, { every = 2 }) .. compose.rest("0.25")
      .. compose.mark("S2", { code = 200 })
    local counts, closest = core.schedule(plan, 1):codes()
    assert.are.same({ [3] = 4, [200] = 1 }, counts)
    assert.are.equal(250000000, closest.least_ns)
    assert.are.same({ 3, 200 }, { closest.first, closest.second })
    assert.matches("coded_plans_spec.lua:%d+$", closest.second_line)
    assert.is_nil((select(2, core.schedule(pulse:code(1), 1):codes())))
    assert.are.same({}, (core.schedule(pulse, 1):codes()))
  end)
end)
