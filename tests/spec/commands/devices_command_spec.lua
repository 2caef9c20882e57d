-- moonpulse devices says of the settings what the record of a run says.
local shell = require "shell"

local words = { read = "which settings it has", received = "that it took a setting, not which",
  none = "nothing of its settings" }

describe("moonpulse devices", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/two.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { name = "two", '
      .. "plan = function() return mp.pulse(mp.mso(40)):times(2, { every = 5 }) end }\n")
  end)
  after_each(function() shell.remove(folder) end)

  --- The setting_proof of the pulses of a run.
  local function recorded(name, option)
    local code, _, err = shell.moonpulse(folder, ("run %s/two.lua --speed max --device sim:%s %s "
      .. "--out %s/runs"):format(folder, name, option and "--device-option " .. option or "", folder))
    assert.are.equal(0, code, err)
    local proofs = {}
    for _, row in ipairs(shell.rows(("%s/runs/%s/events.tsv"):format(folder,
      shell.names(folder .. "/runs")[1]))) do
      proofs[#proofs + 1] = row.event == "pulse" and row.setting_proof or nil
    end
    shell.remove(folder .. "/runs")
    assert.are.same({ proofs[1], proofs[1] }, proofs)
    return proofs[1]
  end

  it("says how settings are confirmed as the record does, with the options that decide it", function()
    local _, list = shell.moonpulse(folder, "devices")
    for name, each in pairs {
      magventure = { "read" }, bistim = { "read" }, rapid = { "read" }, trigger = { "none" },
      pulsepal = { "none", "received", "full_scale_volts=10" },
      stimjim = { "none", "read", "full_scale_ua=3330", "full_scale_mv=15000" },
    } do
      local usual, other = each[1], each[2]
      local _, full = shell.moonpulse(folder, "devices --device " .. name)
      assert.are.equal(usual, recorded(name))
      local column = usual .. (other and "/" .. other or "")
      assert.is_truthy(list:match("\n" .. name .. " [^\n]*  " .. column .. " "), list)
      assert.is_truthy(full:find(words[usual], 1, true), full)
      for i = 3, #each do
        assert.are.equal(other, recorded(name, each[i]))
        local text = ("with --device-option %s: %s"):format(each[i]:match "^[^=]+", words[other])
        assert.is_truthy(full:find(text, 1, true), full)
      end
      assert.are.equal(other ~= nil, full:find("with --device-option", 1, true) ~= nil)
    end
  end)
end)
