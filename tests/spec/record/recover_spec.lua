--- What recover makes of a record that is damaged at any place: every row is true, as the simulator saw it,
--- or says that it is not known; whatever is missing is named.
local cjson = require "cjson"
local fixture = require "job"
local recover = require "moonpulse.record.recover"
local shell = require "shell"

local HEADER, RECORD = 4096, 64
local step = os.getenv("MP_QUICK") and 8 or 1 -- of the places that are damaged; quick: under valgrind

--- Rows of events.tsv by what identifies them: when they were sent.
local function by_time(text)
  local rows, list = {}, shell.rows_of(text)
  for _, row in ipairs(list) do
    rows[("%s %s %s"):format(row.event, row.onset_planned_us, row.onset)] = row
  end
  return rows, list
end

-- how much a status claims: less may be said of what is damaged, never more
local claims = { delivered = 2, otherwise = 2, sent = 1, perhaps_sent = 0, stopped = 0, passed = 0, late = 0 }

describe("a damaged record", function()
  local folder, run, flight, journal, whole, kept

  --- A run with nine plans, of which one is a train that the stimulator times and one is stopped.
  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/two.lua", [[local mp = require "moonpulse"
      return mp.experiment { run = function(run)
        local stim = run:device()
        stim:arm()
        for i = 1, 6 do
          stim:fire(mp.pulse { intensity = mp.mso(i % 2 == 1 and 80 or 20) })
          if i % 2 == 0 then run:mark("block " .. i) end
        end
        stim:play(mp.train { pulses = 5, every = 0.8, intensity = mp.mso(33) } .. mp.mark "planned")
        stim:play(mp.train { pulses = 4, every = 0.8, intensity = mp.mso(44) })
        stim:play(mp.train { pulses = 3, every = 0.8, intensity = mp.mso(55) })
      end }]])
    local status, _, err = shell.moonpulse(folder, ("run %s/two.lua --seed 3 --tolerance 500 --out %s/runs "
      .. "--beyond-guidelines test --approval none"):format(folder, folder))
    assert.are.equal(0, status, err)
    run = fixture.run_in(folder .. "/runs")
    flight, journal = shell.read(run .. "/flight.bin"), shell.read(run .. "/journal.jsonl")
    local manifest = cjson.decode(shell.read(run .. "/manifest.json"))
    manifest.status = "running"
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    whole, kept = by_time(shell.read(run .. "/events.tsv"))
  end)

  teardown(function()
    shell.remove(folder)
  end)

  local function pulses_of(list)
    local pulses = {}
    for _, row in ipairs(list) do
      pulses[#pulses + 1] = row.event == "pulse" and row or nil
    end
    return pulses
  end

  --- The rows of the run with these files; each must be a row of the whole one that claims no more.
  local function check(flight_text, journal_text, what)
    shell.write(run .. "/flight.bin", flight_text)
    shell.write(run .. "/journal.jsonl", journal_text)
    local text, said = recover.rows(run)
    if not text then
      assert.is_string(said, what)
      return {}, { said }
    end
    local rows, list = by_time(text)
    for key, row in pairs(rows) do
      local true_row = whole[key]
      assert.is_truthy(true_row or row.status == "perhaps_sent", ("%s: a row that never was: %s"):format(what,
        key))
      for _, name in ipairs { "pulse", "channel", "intensity_mso", "intensity", "intensity_ref", "event",
        "timed_by" } do
        assert.are.equal(true_row and true_row[name] or row[name], row[name],
          ("%s: %s of %s"):format(what, name, key))
      end
      assert.is_true(not true_row or claims[row.status] <= claims[true_row.status], what .. ": " .. key)
    end
    if #list < #kept then
      assert.is_truthy(said[1], what .. ": rows are missing without a word")
    end
    return list, said
  end

  it("has, whole, what the simulator gave", function()
    local simulator = {}
    for line in io.lines(run .. "/twin.tsv") do
      local intensity = line:match("\tpulse\t[^\t]*\t[^\t]*\t[^\t]*\t([^\t]*)")
      simulator[#simulator + 1] = intensity and tonumber(intensity)
    end
    local list, said = check(flight, journal, "whole")
    assert.are.same({}, said)
    local given = {}
    for i, row in ipairs(pulses_of(list)) do
      given[i] = tonumber(row.intensity_mso)
      assert.are.equal("delivered", row.status)
    end
    assert.are.same(simulator, given)
    assert.are.equal(18, #given)
  end)

  it("is cut at any record: what is left is true, what is missing is counted", function()
    for stored = 0, (#flight - HEADER) // RECORD - 1, step do
      local _, said = check(flight:sub(1, HEADER + stored * RECORD), journal,
        ("cut to %d records"):format(stored))
      assert.matches("missing at the end", table.concat(said, "\n"), 1, true)
      check(flight:sub(1, HEADER + stored * RECORD + 17), journal,
        ("cut within record %d"):format(stored + 1))
    end
  end)

  it("has any record zeroed, torn or moved: it is named, and nothing goes to another plan", function()
    for place = 1, (#flight - HEADER) // RECORD, step do
      local from = HEADER + (place - 1) * RECORD
      local before, record, after = flight:sub(1, from), flight:sub(from + 1, from + RECORD),
        flight:sub(from + RECORD + 1)
      for what, damaged in pairs { zeroed = ("\0"):rep(RECORD), torn = record:sub(1, 20) .. ("\0"):rep(44),
        moved = flight:sub(HEADER + 1, HEADER + RECORD) } do
        if damaged ~= record then
          local _, said = check(before .. damaged .. after, journal, ("record %d %s"):format(place, what))
          assert.matches(("1 record of %%d+ could not be read .*%%d to %d of flight.bin"):format(place),
            table.concat(said, "\n"))
        end
      end
    end
  end)

  it("has a journal that lacks any line, or ends within it", function()
    local lines = {}
    for line in journal:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    local function but(i, line)
      local list = table.move(lines, 1, #lines, 1, {})
      list[i] = line
      if line == nil then
        list = table.move(lines, i + 1, #lines, i, table.move(lines, 1, i - 1, 1, {}))
      end
      return table.concat(list, "\n") .. "\n"
    end
    for i = 1, #lines, step do
      local line = lines[i]
      for what, text in pairs { lost = but(i, nil), zeroed = but(i, ("\0"):rep(#line)),
        half = but(i, line:sub(1, #line // 2)), cut = but(i, line:sub(1, #line // 2)):sub(1, 0)
          .. table.concat(lines, "\n", 1, i):sub(1, -9) } do
        local _, said = check(flight, text, ("line %d %s"):format(i, what))
        assert.is_truthy(said[1], ("line %d %s: not a word"):format(i, what))
      end
      -- another intensity is not believed
      local changed, count = line:gsub('"mso":%d+', '"mso":99')
      if count > 0 then
        local _, said = check(flight, but(i, changed), ("line %d changed"):format(i))
        assert.matches(("line %d of journal.jsonl could not be read (it is torn or was changed)"):format(i),
          table.concat(said, "\n"), 1, true)
      end
    end
    local swapped = table.move(lines, 1, #lines, 1, {})
    swapped[2], swapped[4] = swapped[4], swapped[2]
    local _, said = check(flight, table.concat(swapped, "\n") .. "\n", "lines out of order")
    assert.matches("out of order", table.concat(said, "\n"), 1, true)
  end)

  it("of plans that the journal does not tell of says how many pulses they had", function()
    local first = journal:match('^.-"kind":"play"[^\n]*\n')
    local list, said = check(flight, first, "up to the first plan")
    assert.are.equal(1, #pulses_of(list))
    local text = table.concat(said, "\n")
    for k = 2, 6 do
      assert.matches(("plan %d: 1 pulse was sent, and journal.jsonl does not say which"):format(k), text, 1,
        true)
    end
  end)

  it("counts for its participant with what was given, whatever is known of it", function()
    local history = require "moonpulse.safety.history"
    local manifest = cjson.decode(shell.read(run .. "/manifest.json"))
    manifest.participant, manifest.device.simulated = "P07", false
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    local function counted()
      return history.of(folder .. "/runs", "P07").day
    end
    check(flight, journal, "whole")
    assert.are.equal(18, counted())
    -- of nine plans one is known
    check(flight, journal:match('^.-"kind":"play"[^\n]*\n'), "up to the first plan")
    assert.is_true(counted() >= 9)
    local from = HEADER + (#flight - HEADER) // RECORD // 2 * RECORD
    check(flight:sub(1, from), journal, "half")
    assert.is_true(counted() >= 18)
  end)

  it("is recovered by one at a time", function()
    check(flight, journal, "whole")
    local core = require "moonpulse.core"
    local lock = core.lock_folder(run)
    local status, _, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(2, status)
    assert.matches("another moonpulse recover, sign or verify is at work there: wait until", err, 1, true)
    status, _, err = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(2, status)
    assert.matches("another program is at work there (moonpulse recover, sign): wait", err, 1, true)
    lock:close()
    local reads <close> = core.lock_folder(run, true) -- as another verify
    assert.matches("the run was killed", select(2, shell.moonpulse(folder, "verify " .. run)), 1, true)
    assert.are.equal(2, (shell.moonpulse(folder, "recover " .. run)))
    reads:close()
    local out
    status, out = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(0, status)
    assert.matches("recovered 18 of 18 pulses that the script asked for", out, 1, true)
  end)
end)
