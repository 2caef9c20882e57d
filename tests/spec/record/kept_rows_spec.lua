--- Whatever is damaged, recover loses no row of events.tsv and makes no dose smaller, and there is always
--- something that it can do.
local cjson = require "cjson"
local fixture = require "job"
local history = require "moonpulse.safety.history"
local read = require "moonpulse.record.read"
local recover = require "moonpulse.record.recover"
local shell = require "shell"

local HEADER, RECORD = 4096, 64

describe("recover", function()
  local folder, run, texts

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/some.lua", [[local mp = require "moonpulse"
      return mp.experiment { run = function(run)
        local stim = run:device()
        stim:arm(mp.pulse(mp.mso(20)))
        for i = 1, 3 do
          stim:fire(mp.pulse(mp.mso(20 + i)))
          run:mark("block " .. i)
        end
        stim:play(mp.train { pulses = 4, hz = 20, intensity = mp.mso(44) } .. mp.mark "planned")
      end }]])
    local status, _, err = shell.moonpulse(folder, ("run %s/some.lua --seed 3 --tolerance 500 --timing host "
      .. "--out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    run = fixture.run_in(folder .. "/runs")
    local manifest = cjson.decode(shell.read(run .. "/manifest.json"))
    manifest.status, manifest.result, manifest.participant = "running", nil, "P07"
    manifest.device.simulated = false
    texts = { ["manifest.json"] = cjson.encode(manifest),
      ["recover.json"] = assert(shell.read(run .. "/recover.json")) }
    for _, name in ipairs { "flight.bin", "journal.jsonl", "events.tsv" } do
      texts[name] = shell.read(run .. "/" .. name)
    end
  end)

  teardown(function()
    shell.remove(folder)
  end)

  --- The rows of a table, each by what it is of.
  local function add_rows(path, to)
    for _, row in ipairs(shell.rows(path)) do
      to[#to + 1] = ("%s %s %s %s"):format(row.event, row.onset_planned_us, row.intensity,
        row.event == "mark" and row.reply or "")
    end
    return to
  end

  --- Is each of these among those?
  local function all_in(these, those, what)
    local there = {}
    for _, key in ipairs(those) do
      there[key] = true
    end
    for _, key in ipairs(these) do
      assert.is_true(there[key], what .. ": nowhere any more: " .. key)
    end
  end

  local function dose()
    return history.of(folder .. "/runs", "P07").day
  end

  --- The run as a kill left it, but for what is written otherwise or, false, is gone; then recovered.
  local function meets(what, otherwise)
    os.execute("rm -rf " .. run .. "/events.tsv.* " .. run .. "/journal.jsonl")
    for name, text in pairs(texts) do
      local instead = otherwise[name]
      os.remove(run .. "/" .. name)
      if instead ~= false then
        shell.write(run .. "/" .. name, instead or text)
      end
    end
    if otherwise.folder then
      os.remove(run .. "/journal.jsonl")
      assert(require("lfs").mkdir(run .. "/journal.jsonl"))
    end
    local rows, before = add_rows(run .. "/events.tsv", {}), dose()
    assert.is_true(before >= otherwise.least, ("%s: %d counted"):format(what, before))
    local summary, message = recover.run(run, nil, function() return nil, "no report here" end)
    assert.is_truthy(summary, what .. ": nothing can be done: " .. tostring(message))
    local said = table.concat(summary.said, "\n")
    local there = add_rows(run .. "/events.tsv", {})
    local kept = said:match("it is kept as ([^;\n]+)")
    if kept then
      add_rows(kept, there)
    end
    all_in(rows, there, what)
    local manifest = read.manifest(run .. "/manifest.json")
    assert.are.equal("interrupted", manifest.status, what)
    assert.is_true(dose() >= before, ("%s: %d counted, %d before"):format(what, dose(), before))
    return said, kept, before
  end

  it("of a whole run keeps nothing beside it, and has nothing to say", function()
    local said, kept = meets("whole", { least = 7 })
    assert.are.same({ "", nil }, { said, kept })
    assert.are.equal(7, dose())
    meets("whole, with the rows up to some time", { least = 7,
      ["events.tsv"] = texts["events.tsv"]:match("^" .. ("[^\n]*\n"):rep(4)) })
  end)

  it("writes the rows of the journal's lines that are left, and keeps those of the others", function()
    local lines = {}
    for line in texts["journal.jsonl"]:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    local none = table.move(lines, 1, #lines, 1, {})
    for i, line in ipairs(lines) do
      local list = table.move(lines, 1, #lines, 1, {})
      list[i] = line:sub(1, 5) .. "~" .. line:sub(7)
      none[i] = line:find('"play"', 1, true) and list[i] or line
      local said, kept = meets("line " .. i, { ["journal.jsonl"] = table.concat(list, "\n") .. "\n",
        least = 7 })
      assert.matches("could not be read", said, 1, true)
      -- what the operator did has no row
      local has_row = line:find('"kind":"play"', 1, true) or line:find('"kind":"mark"', 1, true)
        or line:find('"kind":"set"', 1, true)
      assert.are.equal(has_row and "string" or "nil", type(kept), "line " .. i)
    end
    local said, kept = meets("no plan", { ["journal.jsonl"] = table.concat(none, "\n") .. "\n", least = 7 })
    assert.matches("plan 1: 1 pulse was sent", said, 1, true)
    assert.are.equal(texts["events.tsv"], shell.read(kept))
  end)

  it("counts from flight.bin where the journal is gone, or something else is in its place", function()
    for what, otherwise in pairs { gone = { ["journal.jsonl"] = false }, empty = { ["journal.jsonl"] = "" },
      ["a folder"] = { folder = true } } do
      otherwise.least = 7
      local said, kept, before = meets("journal: " .. what, otherwise)
      assert.matches("plan 4: 4 pulses were sent", said, 1, true)
      assert.are.equal(texts["events.tsv"], shell.read(kept))
      assert.are.equal(7, before, what)
      -- and with the rows of the last second not written
      otherwise["events.tsv"] = texts["events.tsv"]:match("^" .. ("[^\n]*\n"):rep(3))
      meets("journal: " .. what .. ", some rows", otherwise)
    end
  end)

  it("makes no dose smaller where both are damaged, also when it is done again", function()
    local flight = texts["flight.bin"]
    local _, kept = meets("no journal, half a flight record", { ["journal.jsonl"] = false, least = 7,
      ["flight.bin"] = flight:sub(1, HEADER + (#flight - HEADER) // RECORD // 2 * RECORD) })
    assert.is_string(kept)
    local before = dose()
    assert.is_table((recover.run(run, "magventure", function() return nil, "no report here" end)))
    assert.is_true(dose() >= before)
  end)

  it("leaves events.tsv as it is where nothing explains the flight record", function()
    local manifest = cjson.decode(texts["manifest.json"])
    manifest.kind, manifest.protocol = "protocol", { pulses = 9 }
    for what, internals in pairs { ["a protocol's manifest"] = '{"flight":{"actions":3}}',
      ["a recover.json that is lost"] = false, ["one that is torn"] = '{"flight":{"act' } do
      local said = meets(what, { ["manifest.json"] = cjson.encode(manifest), least = 9,
        ["recover.json"] = internals })
      assert.matches("events.tsv stays as the run left it", said, 1, true)
    end
    -- of an older version, which had it in the manifest
    manifest.record_version, manifest.flight = nil, { actions = 3 }
    local said = meets("an older one", { ["manifest.json"] = cjson.encode(manifest), least = 9,
      ["recover.json"] = false })
    assert.matches("events.tsv stays as the run left it", said, 1, true)
    assert.are.equal(texts["events.tsv"], shell.read(run .. "/events.tsv"))
  end)
end)
