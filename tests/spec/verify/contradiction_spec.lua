-- What a record says twice it says alike: the manifest, the journal, the rows. Each fact is changed in one
-- place, and the folder closed again as whoever knows Moonpulse does, so that only the other place tells.
local cjson = require "cjson"
local fixture = require "job"
local history = require "moonpulse.safety.history"
local made_once = require "made_once"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder, real, virtual
local pulses = [[local mp = require "moonpulse"
  return mp.protocol { id = "three", name = "Three", plan = function()
    return (mp.pulse(mp.rmt(90)) .. mp.rest(0.05)):times(3) end }]]
local spawns = [[local mp = require "moonpulse"
  return mp.experiment { run = function(run)
    local stim = run:device()
    stim:arm()
    for i = 1, 2 do
      stim:fire(mp.pulse(mp.mso(40 + i)))
      run:mark("fired " .. i)
    end
    run:spawn(function() run:note "side" end)
    run:sleep(0.05)
    stim:fire(mp.pulse(mp.mso(50)))
  end }]]

local function record(file, name, more)
  local out = folder .. "/" .. name
  local status, _, err = shell.sh(folder, ("printf 'y\\ny\\n' | %s run %s/%s --rmt 50 --seed 7 --participant "
    .. "P1 --operator AB --tolerance 5000 --beyond-guidelines t --approval n --out %s %s"):format(
    shell.quote(shell.program), folder, file, out, more or ""))
  assert.are.equal(0, status, err)
  return fixture.run_in(out)
end

local function copy_of(run)
  local path = folder .. "/changed"
  shell.remove(path)
  shell.copy(run, path)
  return path
end

local function changed(run, change, journal)
  local path = copy_of(run)
  local manifest = fixture.manifest(path)
  change(manifest)
  shell.write(path .. "/manifest.json", cjson.encode(manifest))
  resealed.edit(path, journal)
  return path
end

local function findings(path)
  local found, texts = assert(verify.folder(path, {})), {}
  for i, each in ipairs(found.differs) do
    texts[i] = ("%s: %s"):format(each.file, each.text)
  end
  return table.concat(texts, "\n"), found
end

--- A text is among what differs, with or without what is made again.
local function is_told(path, expected)
  local text = made_once.without(findings, path)
  if not text:find(expected, 1, true) then
    text = findings(path)
  end
  assert.matches(expected, text, 1, true)
end

local function last_of(kind, change)
  return function(entries)
    for _, entry in ipairs(entries) do
      if entry.kind == kind then
        change(entry)
      end
    end
  end
end

describe("a record that contradicts itself, however well it is sealed,", function()
  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/three.lua", pulses)
    shell.write(folder .. "/spawns.lua", spawns)
    shell.write(folder .. "/asked", "ready\tIs all ready?\nquiet\tIs it quiet?\n")
    real = record("three.lua", "real", "--preflight " .. folder .. "/asked")
    virtual = record("three.lua", "virtual", "--speed max")
  end)
  teardown(function() shell.remove(folder) end)

  it("is whole while nothing was changed", function()
    for _, run in ipairs { real, virtual } do
      assert.are.equal("", (findings(changed(run, function() end))))
    end
  end)

  local of_manifest = {
    { "started", function(m) m.started = "2001-01-01T00:00:00.000000+00:00" end, real = true },
    { "started", function(m) m.started = nil end, real = true },
    { "ended", function(m) m.ended = "2001-01-01T00:00:00.000000+00:00" end, real = true },
    { "clock.start.wall", function(m) m.clock.start.wall = "2001-01-01T00:00:00+00:00" end, real = true },
    { "seed", function(m) m.seed = 8 end }, { "seed", function(m) m.seed = nil end },
    { "speed", function(m) m.speed = m.speed == "max" and 1 or "max" end },
    { "status", function(m) m.status = "stopped" end },
    { "result.status", function(m) m.result.status = "stopped" end },
    { "thresholds.rmt", function(m) m.thresholds.rmt.value = 40 end },
    { "preflight[2].answer", function(m) m.preflight[2].answer = "n" end, real = true },
    { "result.pulses_sent", function(m) m.result.pulses_sent = 0 end },
    { "result.pulses_sent", function(m) m.result.pulses_sent = nil end },
    { "result.pulses_sent", function(m) m.result = nil end },
    { "result.pulses_sent", function(m) m.result = "" end },
    { "result.pulses_confirmed", function(m) m.result.pulses_confirmed = 2 end },
    { "safety.verdict", function(m) m.safety.verdict = "otherwise" end },
    { "safety.verdict", function(m) m.safety = nil end },
    { "safety.override.reason", function(m) m.safety.override.reason = "another" end },
    { "safety.override.reason", function(m) m.safety.override = nil end },
    { "safety.approval", function(m) m.safety.approval = "2026/2" end },
    { "safety.findings[1]", function(m) m.safety.findings = { { verdict = "over", text = "more" } } end },
    { "protocol.file", function(m) m.protocol.file = "three.dua" end },
    { "files", function(m) m.files[1] = 0 end, says = "files is not a list of objects" },
    { "result.pulses_skipped", function(m) m.result.pulses_skipped = 1 end },
    { "result.stop", function(m) m.result.stop = "signal" end },
    { "result.reason", function(m) m.result.reason = "stopped by Ctrl-C (SIGINT)" end },
    { "result.disarmed", function(m) m.result.disarmed = false end },
    { "operator", function(m) m.operator = "ZZ" end },
  }
  for _, case in ipairs(of_manifest) do
    it("is told of its manifest's " .. case[1], function()
      for _, run in ipairs { real, not case.real and virtual or nil } do
        is_told(changed(run, case[2]), "manifest.json: " .. (case.says or case[1] .. " is "))
      end
    end)
  end

  it("is told where manifest and journal agree, and the rows do not", function()
    for field, told in pairs { pulses_sent = "sent", pulses_confirmed = "confirmed" } do
      for _, run in ipairs { real, virtual } do
        local path = changed(run, function(m) m.result[field] = 0 end,
          last_of("end", function(entry) entry[told] = 0 end))
        is_told(path, "result." .. field .. " is 0, and 3 in the rows of events.tsv")
      end
    end
  end)

  it("is told of its journal: an end that is not there, a threshold that its first line has otherwise",
    function()
      for _, run in ipairs { real, virtual } do
        is_told(changed(run, function() end, last_of("end", function(entry) entry.kind = "note" end)),
          "journal.jsonl: no line of it says how the run ended")
        local path = changed(run, function() end,
          last_of("begin", function(entry) entry.options.rmt = 40 end))
        is_told(path, "journal.jsonl: the RMT is 50, and 40 in line 1")
      end
    end)

  it("is told of a file that every such run has", function()
    for name, run in pairs { ["flight.bin"] = real, ["twin.tsv"] = virtual } do
      local path = copy_of(run)
      assert(os.remove(path .. "/" .. name))
      resealed.edit(path, function(entries)
        last_of("end", function(entry) entry.files[name] = nil end)(entries)
      end)
      is_told(path, name .. ": it is missing, and every run")
    end
    local path = copy_of(real)
    assert(os.remove(path .. "/twin.tsv"))
    resealed.edit(path, last_of("end", function(entry) entry.files["twin.tsv"] = nil end))
    is_told(path, "twin.tsv: it is missing, and every run")
  end)

  it("counts at the latest time that it says", function()
    local out = folder .. "/counted"
    os.execute(("mkdir -p %s"):format(out))
    local function pulses_today(started)
      os.execute(("rm -rf %s/*"):format(out))
      local path = changed(real, function(m)
        m.started = started or m.started
        m.device.simulated = false
      end, last_of("begin", function(entry) entry.device.simulated = false end))
      os.execute(("mv %s %s/"):format(path, out))
      local found = history.of(out, "P1", nil, true)
      return found.week, found.runs[1].edited
    end
    assert.are.equal(3, (pulses_today()))
    local week, edited = pulses_today "2001-01-01T00:00:00.000000+00:00"
    assert.are.equal(3, week)
    assert.matches("began at another time", edited, 1, true)
  end)

  it("is not excused by a part of its script that began later than what differs", function()
    local run = record("spawns.lua", "spawns")
    local text, found = findings(run)
    assert.are.equal("", text .. table.concat(found.unchecked))
    local function edited(from, to)
      local path = copy_of(run)
      local source = path .. "/sources/spawns.lua"
      local script, count = shell.read(source):gsub(from, to)
      assert.are.equal(1, count)
      shell.write(source, script)
      resealed.edit(path, nil)
      return findings(path)
    end
    assert.matches("journal.jsonl: set: .*is 41, and the kept text.*make 21", (edited("40 %+ i", "20 + i")))
  end)
end)
