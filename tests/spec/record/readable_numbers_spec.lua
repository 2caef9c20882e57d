-- Numbers of a manifest are what a person would write: the shortest text that reads back to the same number,
-- or to the one that was meant where adding and multiplying moved its last bits.
local cjson = require "cjson"
local fixture = require "job"
local readable = require "moonpulse.text.readable_json"
local shell = require "shell"

local function text_of(value)
  return readable.encode({ value = value }, { lists = {} }):match('"value": (.*)\n}')
end

describe("a number in a manifest", function()
  it("is as short as it can be", function()
    local cases = { { 389.57361499999996, "389.573615" }, { 48.525000000000006, "48.525" },
      { 0.1 + 0.2, "0.3" }, { 1 / 3, "0.3333333333333333" }, { 2 / 3, "0.6666666666666666" },
      { 0.07, "0.07" }, { 1e-9 * 3, "3e-09" }, { 123456789.123456, "123456789.123456" }, { 2.0, "2" },
      { -0.30000000000000004, "-0.3" }, { 1e300 * 1.1, "1.1e+300" }, { 7, "7" } }
    for _, case in ipairs(cases) do
      assert.are.equal(case[2], text_of(case[1]))
    end
  end)

  it("is the same when it is read and written again, and differs in its last bits at most", function()
    local state = 12345
    for _ = 1, 20000 do
      state = (state * 6364136223846793005 + 1442695040888963407)
      local value = string.unpack("d", string.pack("i8", state))
      if value == value and math.abs(value) ~= math.huge then
        local text = text_of(value)
        local back = cjson.decode("[" .. text .. "]")[1]
        assert.is_true(math.abs(back - value) <= math.abs(value) * 1e-14, text)
        assert.are.equal(text, text_of(back))
        if #(text:gsub("e.*", ""):gsub("%D", "")) > 12 then
          assert.are.equal(value, back)
        end
      end
    end
  end)

  it("of a run has no digits that nobody meant", function()
    local folder = shell.folder()
    for name, plan in pairs {
      steps = "(mp.pulse(mp.rmt(110)) .. mp.rest(0.1)):times(30, { every = 12.985787 })",
      drawn = "(mp.pulse(mp.rmt(110)) .. mp.rest { min = 5, max = 6 }):times(33)" } do
      shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn ' .. plan)
      local out = folder .. "/" .. name
      local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --rmt 48.3 --seed 7 --speed max "
        .. "--out %s"):format(folder, out))
      assert.are.equal(0, status, err)
      local text = shell.read(fixture.run_in(out) .. "/manifest.json")
      for number in text:gsub('"[^"\n]*"', ""):gmatch("%d+%.%d+") do
        assert.is_nil(number:match "00000%d$" or number:match "99999%d*$", number)
      end
    end
    shell.remove(folder)
  end)
end)
