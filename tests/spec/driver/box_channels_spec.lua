--- Boxes of several outputs: which outputs channels= names, and what step their intensities have; what a
--- simulator ignored is said at the end of a run.
local devices = require "moonpulse.driver.find"
local intensities = require "moonpulse.compose.intensity"
local shell = require "shell"

local function refusal(name, text)
  local driver = assert(devices.find(name))
  local ok, problem = pcall(devices.configure, driver, { channels = text })
  return not ok and tostring(problem) or nil
end

--- Outputs of a driver configured with channels=text, by the names in list.
local function outputs(name, text, list)
  local limits = devices.configure(assert(devices.find(name)), { channels = text }).limits()
  local found = {}
  for i, channel in ipairs(list) do
    found[i] = limits.output { channel = channel }
  end
  return table.concat(found, " ")
end

describe("the option channels", function()
  local of = { pulsepal = "the outputs of a Pulse Pal 2 are 1, 2, 3 and 4; write channels=left=1,right=2",
    stimjim = "the outputs of a StimJim are 0 and 1; write channels=left=0,right=1" }

  it("is refused with the pair that is wrong, the outputs and an example", function()
    for name, texts in pairs {
      pulsepal = { ["left=1,right=0"] = "right=0", ["left=12,right=3"] = "left=12",
        ["left=1,right=23"] = "right=23", ["right=2x"] = "right=2x", ["left=1,right=2,left=3"] = "left=3",
        ["right=5"] = "right=5", ["right=7"] = "right=7", ["right=9"] = "right=9", ["left"] = "left",
        ["left=1,"] = "", ["=1"] = "=1", ["left==1"] = "left==1", ["left=1,right"] = "right",
        ["left=1;right=2"] = "left=1;right=2", ["left=1,right=-1"] = "right=-1", ["left=01"] = "left=01" },
      stimjim = { ["left=1,right=9"] = "right=9", ["left=1,right=2"] = "right=2",
        ["left=1,right=3"] = "right=3", ["left=1,right=5"] = "right=5", ["left=1,right=7"] = "right=7",
        ["left=10"] = "left=10", ["right=12"] = "right=12", ["right=1.5"] = "right=1.5",
        ["left=0,left=0"] = "left=0" },
    } do
      for text, pair in pairs(texts) do
        local why = assert(refusal(name, text), text .. " is taken")
        assert.is_truthy(why:find(("channels = %q: %q gives "):format(text, pair), 1, true), why)
        assert.is_truthy(why:find(of[name], 1, true), why)
      end
    end
  end)

  it("is what it says", function()
    assert.are.equal("2 1 4 3", outputs("pulsepal", "1=2,2=1,left=4", { "1", "2", "left", "3" }))
    assert.are.equal("1 0", outputs("stimjim", " left = 1 , right = 0 ", { "left", "right" }))
  end)

  it("sends nothing where it is wrong", function()
    local folder = shell.folder()
    shell.write(folder .. "/two.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "two", plan = function()
        return mp.together { left = mp.pulse(mp.mso(40)), right = mp.rest(0.01) .. mp.pulse(mp.mso(40)) }
      end }]])
    for device, text in pairs { pulsepal = "left=1,right=0", stimjim = "left=1,right=9" } do
      local status, out, err = shell.moonpulse(folder, ("run %s/two.lua --speed max --device sim:%s "
        .. "--device-option channels=%s --out %s/runs"):format(folder, device, text, folder))
      assert.are.equal(2, status, out)
      assert.is_truthy(err:find(of[device], 1, true), err)
    end
    shell.remove(folder)
  end)
end)

describe("a channel that channels= names and the plan does not have", function()
  it("is refused, for it or the plan is misspelt", function()
    local folder = shell.folder()
    shell.write(folder .. "/one.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "one", plan = function()
        return mp.together { PMv = mp.pulse(mp.mso(40)) } end }]])
    local says = 'the plan has no channel "M1", which channels= names: the plan has PMv. Is a name misspelt'
    for device, numbers in pairs { ["pulsepal"] = { 1, 2 }, ["stimjim"] = { 0, 1 } } do
      for _, command in ipairs { "run --speed max", "check", "events" } do
        local sim = command:find "run" and "sim:" or ""
        local given = ("%s %s/one.lua --device %s%s --device-option channels=PMv=%d%%s"):format(command,
          folder, sim, device, numbers[1])
        local status, _, err = shell.moonpulse(folder, given:format(",M1=" .. numbers[2]))
        assert.are.equal(2, status, given)
        assert.matches(says, err, 1, true)
        status, _, err = shell.moonpulse(folder, given:format "")
        assert.are.equal(0, status, given .. err)
      end
    end
    shell.remove(folder)
  end)
end)

describe("a text option", function()
  it("fits its pattern from end to end", function()
    local command = require "moonpulse.driver.command"
    local spec = { "version", "text", "%d+", form = "9" }
    assert.are.equal("12", command.value(spec, "12"))
    for _, text in ipairs { "12x", "x12", "1.2", "" } do
      assert.is_false((pcall(command.value, spec, text)), text)
    end
    local rapid = assert(devices.find "rapid")
    for text, ok in pairs { ["9.0"] = true, ["9..0"] = false, ["9."] = false,
      ["9.0x"] = false, [".9"] = false } do
      assert.are.equal(ok, (pcall(devices.configure, rapid, { version = text })), text)
    end
  end)
end)

describe("the step of a box", function()
  --- What of a plan's %MSO the device is set to.
  local function set(name, options, mso)
    local range = devices.configure(assert(devices.find(name)), options).limits().intensity
    return ("%.6f"):format(intensities.round(mso, range.step, range.highest))
  end

  it("is one mV or uA, one step of its converter, or 1 % where a hand sets it", function()
    for _, case in ipairs {
      { "stimjim", { full_scale_ua = "50" }, 47, "48.000000" }, -- half a step up
      { "stimjim", { full_scale_ua = "50" }, 46.9, "46.000000" },
      { "stimjim", { full_scale_mv = "150" }, 47, "47.333333" }, -- 70.5 mV
      { "stimjim", { full_scale_mv = "150" }, 100, "100.000000" },
      { "stimjim", { full_scale_mv = "15000" }, 51.7, "51.700000" },
      { "stimjim", { full_scale_ua = "3330" }, 47, "46.996997" },
      { "stimjim", {}, 51.7, "52.000000" }, { "pulsepal", {}, 51.7, "52.000000" },
      { "pulsepal", { full_scale_volts = "10" }, 47, "47.000122" },
      { "pulsepal", { full_scale_volts = "10" }, 100, "99.996948" }, -- 10 V itself it has not
      { "pulsepal", { full_scale_volts = "5" }, 100, "100.000000" },
      { "pulsepal", { full_scale_volts = "0.1" }, 47, "46.997070" },
    } do
      assert.are.equal(case[4], set(case[1], case[2], case[3]))
    end
  end)

  it("is told, and recorded as it is given", function()
    local folder = shell.folder()
    shell.write(folder .. "/one.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "one", plan = function()
        return mp.pulse(mp.rmt(100)) .. mp.rest(1) .. mp.pulse(mp.rmt(150)) .. mp.rest(1)
          .. mp.pulse(mp.rmt(130))
      end }]])
    for option, value in pairs { ["stimjim:full_scale_ua=50"] = "48",
      ["stimjim:full_scale_mv=150"] = "47.3333", ["pulsepal:full_scale_volts=0.3"] = "46.9971" } do
      local says = ("= 47 %%MSO, set to %s %%MSO (the device's step)"):format(value)
      local device, setting = option:match("^(.-):(.*)$")
      local status, out, err = shell.moonpulse(folder, ("run %s/one.lua --rmt 47 --speed max --device sim:%s "
        .. "--device-option %s --out %s/%s"):format(folder, device, setting, folder, setting))
      assert.are.equal(0, status, err)
      assert.is_truthy(out:find(says, 1, true), out)
      local path = ("%s/%s/"):format(folder, setting)
      path = path .. shell.names(path)[1]
      local recorded, given = {}, {}
      for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
        recorded[#recorded + 1] = row.event == "pulse" and ("%.5f"):format(row.intensity_mso) or nil
      end
      for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
        given[#given + 1] = row.event == "pulse" and ("%.5f"):format(row.intensity) or nil
      end
      assert.are.equal(3, #given)
      assert.are.same(given, recorded)
      assert.is_falsy(out:find("ignored", 1, true), out)
    end
    shell.remove(folder)
  end)
end)

describe("what a simulator ignored", function()
  it("is said at the end of a run, in virtual and in real time", function()
    local folder = shell.folder()
    shell.write(folder .. "/mask.lua", [[local box = require "moonpulse.devices.pulsepal"
      local M = setmetatable({ name = "mask" }, { __index = box })
      function M.encode(options)
        local encode, number = box.encode(options), 0
        return setmetatable({ pulse = function(action)
          return action.mso == 40 and box.commands.trigger { mask = 0 } or encode.pulse(action)
        end }, { __index = encode })
      end
      return M]])
    shell.write(folder .. "/three.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "three", params = { mso = { default = 40 }, every = { default = 0.05 } },
        plan = function(p) return mp.train { pulses = 3, every = p.every, intensity = mp.mso(p.mso) } end }]])
    for _, speed in ipairs { "--speed max", "--tolerance 1000 -p every=1" } do
      for mso, said in pairs { ["40"] = true, ["41"] = false } do
        local status, out, err = shell.moonpulse(folder, ("run %s/three.lua -p mso=%s %s --device "
          .. "sim:%s/mask.lua --out %s/runs"):format(folder, mso, speed, folder, folder))
        assert.are.equal(0, status, err)
        assert.are.equal(said, out:find("the simulator ignored 3 commands of the run (no channel): see "
          .. "twin.tsv", 1, true) ~= nil, out)
        assert.are.equal(said, out:find("ignored", 1, true) ~= nil)
      end
    end
    shell.remove(folder)
  end)
end)
