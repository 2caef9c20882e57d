-- What somebody may have meant: a name that differs by a few letters, whatever was written.
local meant = require "moonpulse.text.meant"

describe("a name that may have been meant", function()
  it("differs by as many letters as may, not by more, and not in its length", function()
    assert.are.same({ "itbs600" }, meant.near("itsb600", { "itbs600", "ctbs1200" }, 2))
    assert.are.same({}, meant.near("itsb600", { "itbs600", "ctbs1200" }, 1))
    assert.are.same({ "itbs600" }, meant.near("itbs60", { "itbs600", "sici" }, 1))
    assert.are.same({ "itbs600" }, meant.near("itbs6", { "itbs600", "sici" }, 1), "a part of it")
    assert.are.same({ "sici" }, meant.near("xsici", { "sici", "icf" }, 1))
    assert.are.same({}, meant.near("xysici", { "sici", "icf" }, 1))
  end)

  it("is none of something huge, and that is found out at once", function()
    local names = {}
    for i = 1, 300 do
      names[i] = "name" .. i
    end
    assert.are.same({}, meant.near(("x"):rep(10000000), names, 3)) -- letter by letter it would take hours
  end)
end)
