-- Pairs of two intensities on a MagPro with the Option, and what options set on it: by its simulator's log.
local devices = require "moonpulse.driver.find"
local lower = require "moonpulse.lowering"
local mp = require "moonpulse"
local shell = require "shell"

local function pair(ms, first, second)
  return mp.pair { isi = mp.ms(ms), intensity = { mp.mso(first or 40), mp.mso(second or 60) } }
end

local function refusal(plan, options)
  local ok, problem = pcall(lower.prepare, { plan = plan, seed = 1, thresholds = {}, timing = "auto",
    driver = devices.configure(assert(devices.find "magventure"), options) })
  return not ok and problem.message or nil
end

describe("a pair of two intensities on a MagPro", function()
  it("takes the intervals that the device has, and says which are near", function()
    local has = { model = "X100+Option" }
    for _, ms in ipairs { 1, 2.5, 9.9, 10.5, 19.5, 20, 99, 100 } do
      assert.is_nil(refusal(pair(ms), has), ms)
    end
    assert.matches("below the 1 ms that it has", refusal(pair(0.9), has))
    assert.matches("the nearest are 10 and 10.5 ms", refusal(pair(10.2), has))
    assert.matches("the nearest are 21 and 22 ms", refusal(pair(21.5), has))
    assert.matches("below the 2 ms that it has with waveform Monophasic",
      refusal(pair(1.5), { model = "X100+Option", waveform = "Monophasic" }))
    assert.matches("model=R30%+Option", refusal(pair(3), { model = "R30" }))
    assert.is_nil(refusal(pair(3), { model = "R30+Option" }))
  end)

  it("comes no faster than the model gives pairs", function()
    local function two(every)
      return pair(3):times(2, { every = every })
    end
    assert.is_nil(refusal(two(0.0531), { model = "X100+Option" }))
    assert.matches("at most 20 pairs a second", refusal(two(0.0529), { model = "X100+Option" }))
    assert.matches("at most 5 pairs a second", refusal(two(0.2), { model = "R30+Option" }))
  end)
end)

describe("moonpulse run on a simulated MagPro with the Option", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function run(words)
    local status, _, err = shell.moonpulse(folder, ("run %s --device sim:magventure --device-option "
      .. "model=X100+Option --speed max --unconfirmed --out %s/runs"):format(words, folder))
    assert.are.equal(0, status, err)
    local names = shell.names(folder .. "/runs")
    return folder .. "/runs/" .. names[#names]
  end

  it("gives the shipped block of pairs and test pulses alone, as its record says", function()
    local path = run "paired_pulse_block --rmt 40 -p lici=2 -p alone=2 -p sici=2 -p icf=2 --seed 4"
    local given, told, first = {}, {}, nil
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      if row.event == "pulse" then
        first = first or tonumber(row.time)
        given[#given + 1] = ("%.4f %s"):format(tonumber(row.time) - first, row.intensity)
      end
    end
    local conditions = {}
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      if row.event == "pulse" then
        told[#told + 1] = ("%.4f %s"):format(tonumber(row.onset_planned_us) / 1e6, row.intensity_mso)
        conditions[row.trial_type] = (conditions[row.trial_type] or "") .. row.intensity_mso .. " "
        assert.are.equal("delivered", row.status)
      end
    end
    assert.are.same(told, given)
    assert.are.same({ SICI = "32 48 32 48 ", ICF = "32 48 32 48 ", LICI = "48 48 48 48 ",
      ["TS alone"] = "48 48 " }, conditions)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("sets waveform, direction and delays, reads them back, and sets them back", function()
    shell.write(folder .. "/two.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "two", plan = function()
        return mp.pulse(mp.mso(50)) .. mp.rest(5) .. mp.pair { isi = mp.ms(3),
          intensity = { mp.mso(40), mp.mso(60) } }
      end }]])
    local path = run(folder .. "/two.lua --device-option waveform=Monophasic --device-option "
      .. "direction=Reverse --device-option in_ms=5 --device-option out_ms=-10")
    local sets, waveforms = {}, {}
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      if row.event == "pulse" then
        waveforms[#waveforms + 1] = row.waveform
      elseif row.event == "set" and (row.bytes:find "^fe0b09" or row.bytes:find "^fe080a") then
        sets[#sets + 1] = row.bytes:sub(5, -5)
      end
    end
    assert.are.same({ "Monophasic", "Monophasic", "Monophasic" }, waveforms)
    -- 09 01 model mode direction waveform ..., and 0A 01 in x 10, out x 10, charge
    assert.matches("^090103000100", sets[2])
    assert.matches("^0a010032ff9c0000$", sets[3])
    assert.matches("^090103030100", sets[4])
    assert.matches("^0a01000000000000$", sets[#sets - 1])
    assert.matches("^090103000001", sets[#sets])
    local manifest = shell.read(path .. "/manifest.json")
    assert.matches('"current_direction": {%s+"value": "Reverse"', manifest)
    assert.matches('"waveform": {%s+"value": "Monophasic"', manifest)
  end)

  it("sends an edge sooner by the delay of the trigger input", function()
    local function first_onset(words)
      shell.write(folder .. "/one.lua", [[local mp = require "moonpulse"
        return mp.protocol { name = "one", plan = function()
          return mp.rest(1) .. mp.pulse(mp.mso(50))
        end }]])
      local path = run(folder .. "/one.lua --trigger sim " .. words)
      local sim, record
      for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
        sim = row.event == "pulse" and tonumber(row.time) or sim
      end
      for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
        record = row.event == "pulse" and tonumber(row.onset_sent_us) or record
      end
      return sim, record
    end
    local plain, record = first_onset ""
    local delayed, told = first_onset "--device-option in_ms=50"
    assert.are.equal(1000000, record)
    assert.are.equal(1000000, told)
    assert.is_true(delayed > plain) -- the start is put off by what setting the delay took
  end)
end)
