--- Cases of triggers that come in: every one is counted, and each pulse is where its trigger says.
local cases = require "cases"
local cjson = require "cjson"
local shell = require "shell"

describe("a case of tests/data/cases", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  --- A run in virtual time to which bytes come at these instants: what it said, the onsets of its pulses in
  --- seconds, and the manifest's numbers.
  local function played(name, came, more)
    local lines = {}
    for i, each in ipairs(came) do
      lines[i] = ("%.9f port %d\n"):format(each[1], each[2])
    end
    shell.write(folder .. "/came.txt", table.concat(lines))
    local status, out, err, record = cases.run(folder, name, ("--speed max --triggers %s/came.txt %s"):format(
      folder, more or ""))
    assert.are.equal(0, status, err)
    local onsets = {}
    for _, row in ipairs(shell.rows(record .. "/events.tsv")) do
      onsets[#onsets + 1] = row.event == "pulse" and math.floor(tonumber(row.onset) * 1e6 + 0.5) / 1e6 or nil
    end
    local manifest = cjson.decode((assert(shell.read(record .. "/manifest.json"))))
    return out, onsets, manifest.experiment.triggers
  end

  local function every(period_s, count, byte, from_s)
    local list = {}
    for i = 1, count do
      list[i] = { (from_s or 1) + (i - 1) * period_s, byte }
    end
    return list
  end

  it("trigger_scanner gives a pulse 0.1 s after each third byte, and counts all of them", function()
    local out, onsets, counts = played("trigger_scanner", every(2, 12, 5))
    assert.are.same({ 5.1, 11.1, 17.1, 23.1 }, onsets)
    assert.matches("pulse", out)
    assert.are.same({ 12, 12, 0 }, { counts.came, counts.taken, counts.passed_over })
  end)

  it("trigger_lost_while_playing sees the triggers that come while it plays", function()
    local out, onsets, counts = played("trigger_lost_while_playing", every(0.3, 10, 1))
    assert.matches("10 TTLs seen", out)
    assert.are.equal(5, #onsets)
    assert.are.same({ 10, 10 }, { counts.came, counts.taken })
  end)

  it("trigger_two_waiters gives each byte to both", function()
    local out = played("trigger_two_waiters", every(0.2, 19, 1, 0.1))
    assert.matches("logger saw 19, main part got 19", out)
  end)

  it("trigger_tmsfmri plays the pulses of a volume after the trigger of that very volume", function()
    shell.write(folder .. "/volumes.txt", "3 2 150000 400000\n5 1 150000\n6 3 150000 1000000 1500000\n")
    local out, onsets = played("trigger_tmsfmri", every(2, 12, 5), ("-p file=%s/volumes.txt"):format(folder))
    assert.matches("12 volumes seen", out)
    assert.are.same({ 5.15, 5.4, 9.15, 11.15, 12, 12.5 }, onsets)
  end)
end)
