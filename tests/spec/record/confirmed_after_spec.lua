-- No pulse was confirmed before it came: on each device that times something itself, of pulses, pairs, bursts
-- and trains, as the run wrote it and as recover writes it.
local fixture = require "job"
local recover = require "moonpulse.record.recover"
local shell = require "shell"

local pulse = "mp.pulse(mp.mso(30)) .. mp.rest(5) .. "
local pairs_of = "(mp.pair { isi = mp.ms(%s), intensity = { mp.mso(30), mp.mso(50) } }):times(3, "
  .. "{ every = 5 })"
local train = pulse .. "mp.train { pulses = 10, hz = 10, intensity = mp.mso(30) } .. mp.rest(6) .. "
  .. "mp.burst { pulses = 3, hz = 50, intensity = mp.mso(30) }"

local cases = {
  { "bistim", pulse .. pairs_of:format "15", first_only = true },
  { "bistim", pairs_of:format "150", first_only = true },
  { "rapid", "mp.train { pulses = 30, hz = 10, intensity = mp.mso(40) }", first_only = true },
  { "magventure", train }, { "magventure", train, "host" }, { "stimjim", train }, { "pulsepal", train },
  { "magstim200", pulse .. "mp.pulse(mp.mso(30))" }, { "duomag", pulse .. "mp.pulse(mp.mso(30))" },
  { "trigger", train },
}

--- Of each pulse that has one, its confirmation is behind its onset; how many have none and were delivered.
local function judge(what, rows)
  local without = 0
  for _, row in ipairs(rows) do
    if row.event == "pulse" and row.onset_confirmed_us ~= "n/a" then
      assert.is_true(tonumber(row.onset_confirmed_us) >= tonumber(row.onset) * 1e6, what .. row.pulse)
    elseif row.event == "pulse" and row.status == "delivered" then
      without = without + 1
    end
  end
  return without
end

describe("a confirmation", function()
  local folder
  fixture.each_test(function(path) folder = path end)

  it("never came before its pulse", function()
    for i, case in ipairs(cases) do
      local device, plan, timing = table.unpack(case)
      local what = ("%s, case %d: pulse "):format(device, i)
      shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn ' .. plan)
      local out = ("%s/%d"):format(folder, i)
      local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --device sim:%s --timing %s --out %s "
        .. "--speed max --beyond-guidelines test --approval none"):format(folder, device,
        timing or "auto", out))
      assert.are.equal(0, status, what .. err)
      local without = judge(what, (fixture.pulse_rows(fixture.run_in(out))))
      assert.are.equal(case.first_only == true, without > 0, what .. without)
    end
  end)

  it("is the same where it is recovered", function()
    shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn (mp.pair { isi = mp.ms(15), '
      .. "intensity = { mp.mso(30), mp.mso(50) } }):times(2, { every = 5 })")
    local status, _, err = shell.moonpulse(folder, ("run %s/made.lua --device sim:bistim --tolerance 1000 "
      .. "--out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    local run = fixture.run_in(folder .. "/runs")
    local pulses = fixture.pulse_rows(run)
    assert.are.equal(2, judge("bistim: pulse ", pulses))
    assert.are.same({ "delivered", "n/a" }, { pulses[2].status, pulses[2].onset_confirmed_us })
    assert.are_not.equal("n/a", pulses[1].onset_confirmed_us)
    assert.are.equal(shell.read(run .. "/events.tsv"), (assert(recover.rows(run, true))))
  end)
end)
