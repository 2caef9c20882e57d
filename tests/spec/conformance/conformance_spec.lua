--- The same cases on every shipped driver and its simulator.
local conformance = require "moonpulse.conformance"
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
end)
