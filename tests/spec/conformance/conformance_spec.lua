--- The same cases on every shipped driver and its simulator.
local conformance = require "moonpulse.conformance"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local notes = require "moonpulse.text.notes"

-- Devices that a driver cannot tell from its own: they answer its questions alike.
local kin = {
  -- a BiStim² that does not know the question for its mode begins like a 200²; arming tells them apart
  bistim = { "magstim200" },
}

for _, name in ipairs(devices.names) do
  conformance.spec(name, { kin = kin[name] })
end

describe("the cases", function()
  it("choose intensities that no author wrote: nothing is noted of them", function()
    local noted, ran = {}, 0
    notes.listen(function(text) noted[#noted + 1] = text end)
    for _, name in ipairs { "magventure", "stimjim", "pulsepal" } do
      local kit = conformance.kit(assert(devices.find(name)))
      for _, case in ipairs(conformance.cases) do
        if case.name:find("intensit") then
          local verdict, why = conformance.run(case, kit)
          assert.are_not.equal("failed", verdict, why)
          ran = ran + (verdict == "passed" and 1 or 0)
        end
      end
    end
    notes.listen(nil)
    assert.are.same({}, noted)
    assert.is_true(ran >= 7)
  end)

  it("judge no machine: the loop of the run and its simulator is away for 0.7 s, again and again", function()
    for _, name in ipairs { "magventure", "magstim200" } do
      local kit, goes_on, said, real = conformance.kit(assert(devices.find(name))), true, {}, 0
      core.spawn(function()
        while goes_on do
          os.execute "sleep 0.7"
          core.wait(0.3)
        end
      end)
      for _, case in ipairs(conformance.cases) do
        if case.name:find("real pseudo-terminal", 1, true) or case.name:find("while it runs", 1, true)
          or case.name:find("in pieces does not", 1, true) or case.name:find("keep-alives go", 1, true) then
          local verdict, why = conformance.run(case, kit)
          real = real + (verdict == "skipped" and 0 or 1)
          said[#said + 1] = verdict == "failed" and case.name .. ": " .. why or nil
        end
      end
      goes_on = false
      assert.are.same({}, said)
      assert.are.equal(name == "magstim200" and 5 or 4, real)
    end
  end)
end)
