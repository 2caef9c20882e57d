-- Boxes whose outputs are stimulators of their own: intensities and shortest intervals are per channel.
local devices = require "moonpulse.driver.find"
local fixture = require "job"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"
local recover = require "moonpulse.record.recover"
local shell = require "shell"

local function configured(name, options)
  return devices.configure(assert(devices.find(name)), options)
end

local function prepare(plan, name, options)
  return pcall(lower.prepare, { plan = plan, seed = 1, driver = configured(name, options), thresholds = {},
    timing = "host" })
end

local function on(channel, mso)
  return mp.pulse(mp.mso(mso)):at(channel)
end

local function refused(text, ...)
  local ok, problem = prepare(...)
  assert.is_false(ok)
  assert.is_truthy(tostring(problem):find(text, 1, true), tostring(problem))
end

describe("a box whose outputs are stimulators of their own", function()
  it("counts the shortest interval on each of them", function()
    local options = { fastest_hz = "1" }
    local both = on("1", 40) .. mp.rest(0.006) .. on("2", 60) .. mp.rest(0.994) .. on("1", 40)
    assert.is_true((prepare(both, "pulsepal", options)))
    local early = on("1", 40) .. mp.rest(0.006) .. on("2", 60) .. mp.rest(0.993999999) .. on("1", 40)
    refused("pulses 1 and 3", early, "pulsepal", options)
  end)

  it("needs what the box needs from one to another", function()
    local function pair(s) return on("0", 40) .. mp.rest(s) .. on("1", 60) end
    assert.is_true((prepare(pair(0.0065), "stimjim", { fastest_hz = "1" })))
    refused("from one channel to another is 6.5 ms", pair(0.006499), "stimjim", {})
    local function close(s) return on("1", 40) .. mp.rest(s) .. on("2", 60) end
    assert.is_true((prepare(close(0.0001), "pulsepal", {})))
    refused("from one channel to another", close(0.00009), "pulsepal", {})
  end)

  it("has one intensity for each that a hand sets, and names them", function()
    local ok, _, actions = prepare(on("1", 40) .. mp.rest(1) .. on("2", 60), "pulsepal", {})
    assert.is_true(ok)
    local text = lower.by_hand(configured "pulsepal", nil, actions)
    assert.is_truthy(text:find("channel 1 to 40 %MSO, channel 2 to 60 %MSO", 1, true), text)
    local two = on("1", 40) .. mp.rest(1) .. on("2", 60) .. mp.rest(1) .. on("1", 41)
    refused("set by hand", two, "pulsepal", {})
    refused("set by hand", on("0", 40) .. mp.rest(1) .. on("1", 60) .. mp.rest(1) .. on("0", 41),
      "stimjim", {})
    assert.is_nil(lower.by_hand(configured("pulsepal", { full_scale_volts = "5" }), nil, actions))
  end)

  it("is not two outputs under two names", function()
    refused("are one output", on("a", 40) .. mp.rest(1) .. on("b", 40), "pulsepal", { channels = "a=1,b=1" })
  end)

  it("is told only what changes on that output", function()
    local told = { -- the Pulse Pal's steps: 5 V / 16384
      stimjim = "pa40 pb60 pa40 pb60 pa40 pb60 sa50 pa50 pb60",
      pulsepal = "pa40.0024 pb59.9976 pa40.0024 pb59.9976 pa40.0024 pb59.9976 "
        .. "aa50 sa50 pa50 pb59.9976" } -- it asks whether it has the pulses before: no reply says so
    for name, options in pairs { pulsepal = { full_scale_volts = "5", channels = "a=1,b=2" },
      stimjim = { full_scale_ua = "2000", channels = "a=0,b=1" } } do
      local pair = on("a", 40) .. mp.rest(0.007) .. on("b", 60)
      local plan = pair:times(3, { every = 1 }) .. mp.rest(1) .. on("a", 50) .. mp.rest(1) .. on("b", 60)
      local ok, lowering, actions = prepare(plan, name, options)
      assert.is_true(ok, tostring(lowering))
      local seen = {}
      for kind, _, _, _, index in lowering.next, lowering do
        seen[#seen + 1] = ("%s%s%.6g"):format(kind:sub(1, 1), actions[index].channel, actions[index].mso)
      end
      assert.are.equal(told[name], table.concat(seen, " "))
    end
  end)
end)

describe("a run on two outputs", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local ccpas = 'local mp = require "moonpulse"\nreturn mp.protocol { id = "ccpas2", name = "c", '
    .. 'plan = function()\nreturn mp.together { mp.pulse(mp.rmt(90)):at "PMv", '
    .. 'mp.rest(mp.ms(6)) .. mp.pulse(mp.mso(55)):at "M1" }\n'
    .. ':times(3, { every = 0.2 }) end }\n'

  it("gives each pulse on its own output, as listed", function()
    shell.write(folder .. "/ccpas.lua", ccpas)
    local code, out, err = shell.moonpulse(folder, ("run %s/ccpas.lua --rmt 50 --speed max --device "
      .. "sim:pulsepal --device-option channels=PMv=1,M1=2 --device-option fastest_hz=5 --out %s/runs")
      :format(folder, folder))
    assert.are.equal(0, code, err)
    assert.is_truthy(out:find("channel PMv to 45 %MSO, channel M1 to 55 %MSO", 1, true), out)
    local path = fixture.run_in(folder .. "/runs")
    local given = {}
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      if row.event == "pulse" then
        given[#given + 1] = row.note:match "channel %d"
      end
    end
    local events = shell.rows(path .. "/events.tsv")
    assert.are.equal(6, #events)
    assert.are.equal(6, #given)
    for i, row in ipairs(events) do
      assert.are.equal(row.channel == "PMv" and "channel 1" or "channel 2", given[i])
      assert.are.equal(row.channel == "PMv" and "45" or "55", row.intensity_mso)
    end
  end)
end)

describe("an experiment on a box with two outputs", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  -- what 30, 45, 60 and 70 % are in steps of 1/3300, and of 10 V / 32768
  for device, options in pairs { stimjim = { "0", "1", "full_scale_ua=3300", 30, 45, 60, 70 },
    pulsepal = { "1", "2", "full_scale_volts=10", 29.9987793, 45.0012207, 60.0006104, 70.0012207 } } do
    it("has a row for each setting of each output, live and recovered: " .. device, function()
      local one, two, option, s30, s45, s60, s70 = table.unpack(options)
      shell.write(folder .. "/pairs.lua", ([[
        local mp = require "moonpulse"
        return mp.experiment(function(run)
          local stim = run:device()
          local function pair(a, b)
            return mp.together { ["%s"] = mp.pulse { intensity = mp.mso(a) },
              ["%s"] = mp.rest(1) .. mp.pulse { intensity = mp.mso(b) } }
          end
          stim:arm(pair(30, 30))
          stim:fire(pair(30, 30))
          stim:fire(pair(30, 60)) -- only the second output is told
          stim:fire(pair(45, 70)) -- both
          stim:disarm()
        end)]]):format(one, two))
      local status, _, err = shell.moonpulse(folder, ("run %s/pairs.lua --tolerance 1000 --out %s/runs "
        .. "--device sim:%s --device-option %s"):format(folder, folder, device, option))
      assert.are.equal(0, status, err)
      local path = fixture.run_in(folder .. "/runs")
      local told, given = {}, {}
      for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
        local list = row.event == "set_intensity" and told or row.event == "pulse" and given or {}
        list[#list + 1] = row.channel .. " at " .. row.intensity_mso
      end
      assert.are.same({ two .. " at " .. s60, one .. " at " .. s45, two .. " at " .. s70 }, told)
      assert.are.same({ one .. " at " .. s30, two .. " at " .. s30, one .. " at " .. s30,
        two .. " at " .. s60, one .. " at " .. s45, two .. " at " .. s70 }, given)
      shell.write(path .. "/again.tsv", (assert(recover.rows(path))))
      local again = {}
      for _, row in ipairs(shell.rows(path .. "/again.tsv")) do
        again[#again + 1] = row.event == "set_intensity" and row.onset .. row.channel
          .. row.intensity_mso or nil
      end
      for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
        if row.event == "set_intensity" then
          assert.are.equal(table.remove(again, 1), row.onset .. row.channel .. row.intensity_mso)
        end
      end
      assert.are.same({}, again)
    end)
  end
end)
