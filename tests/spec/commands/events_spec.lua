--- moonpulse events --device: the list has what the device gives. Without a device: what is written.
local shell = require "shell"

describe("moonpulse events", function()
  local folder
  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/mine.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { name = "mine", params = { dose = { default = mp.rmt(110) } }, plan = function(p)
        return mp.mark "a" .. mp.pulse(p.dose) .. mp.rest(5) .. mp.pulse(mp.rmt(101.04)) .. mp.rest(5)
          .. mp.pulse(mp.mso(33.5)) .. mp.rest(5) .. mp.pulse(mp.mso(40))
      end }]])
  end)
  teardown(function() shell.remove(folder) end)

  --- The column intensity_mso of the pulses in a table with a header.
  local function intensities(text)
    local list, column = {}, nil
    for line in text:gmatch("[^\n]+") do
      local cells = shell.cells(line)
      for i, cell in ipairs(column and {} or cells) do
        column = cell == "intensity_mso" and i or column
      end
      if line:find("\tpulse\t[^%d]*%d") and cells[column] ~= "intensity_mso" then
        list[#list + 1] = cells[column]
      end
    end
    return list
  end

  local function events(options)
    local status, out, err = shell.moonpulse(folder, ("events %s/mine.lua %s"):format(folder, options))
    return status == 0 and intensities(out), err, status
  end

  it("says what is written, without a device", function()
    assert.are.same({ "52.8", "48.4992", "33.5", "40" }, (events "--rmt 48"))
    assert.are.same({ "n/a", "n/a", "33.5", "40" }, (events ""))
  end)

  it("says what a device will be set to, as its run records it", function()
    for _, device in ipairs { "magventure", "magstim200", "bistim", "rapid", "duomag", "sim" } do
      local listed = assert(events("--rmt 48 --device " .. device))
      assert.are.same({ "53", "48", "34", "40" }, listed, device)
      assert.are.same(listed, assert(events("--rmt 48 --device sim:" .. device:gsub("^sim$", "magventure"))))
      local out = folder .. "/" .. device
      local status, _, err = shell.moonpulse(folder, ("run %s/mine.lua --rmt 48 --speed max --out %s "
        .. "--device %s"):format(folder, out, device == "sim" and device or "sim:" .. device))
      assert.are.equal(0, status, err)
      local path = io.popen("ls -d " .. shell.quote(out) .. "/*"):read "l"
      assert.are.same(listed, intensities(shell.read(path .. "/events.tsv")), device)
    end
    assert.are.same({ "n/a", "n/a", "34", "40" }, (events "--device magventure"))
  end)

  it("refuses what the device cannot give, with the line", function()
    assert(events "--rmt 48 --device magventure -p dose=0.5%MSO") -- half a step is one
    local _, err, status = events "--rmt 48 --device magventure -p dose=0.4%MSO"
    assert.are.equal(3, status)
    assert.matches("takes as 0", err, 1, true)
    assert.matches("mine.lua:", err, 1, true)
    _, err, status = events "--rmt 48 --device nothing"
    assert.are.equal(2, status)
    assert.matches('there is no device "nothing"', err, 1, true)
    _, err, status = events "--rmt 48 --device-option model=R30"
    assert.are.equal(2, status)
    assert.matches("name it with --device", err, 1, true)
  end)
end)
