-- Whoever edits a record and closes it again, with every hash, the chain and the seal right, is found by what
-- the record says elsewhere. What a value of the manifest comes from is made anew, so that no list of fields
-- can be forgotten: every value is changed in turn, and every line of the journal taken away.
local cjson = require "cjson"
local children = require "moonpulse.verify.child"
local derived = require "moonpulse.verify.derived"
local findings_of = require "moonpulse.verify.findings"
local fixture = require "job"
local journal_lines = require "moonpulse.record.journal_lines"
local leaves = require "moonpulse.verify.leaves"
local lfs = require "lfs"
local made_once = require "made_once"
local manifests = require "moonpulse.verify.manifest"
local read = require "moonpulse.record.read"
local resealed = require "resealed"
local shell = require "shell"
local trails = require "moonpulse.verify.trail"
local verify = require "moonpulse.verify"

local folder
local runs = {}

local protocol = [[local mp = require "moonpulse"
  return mp.protocol { id = "three", name = "Three", cite = "Nobody 2026",
    params = { n = { default = 3, min = 1, max = 9 } }, plan = function(p)
      return (mp.pulse(mp.rmt(90)):label "first" .. mp.rest(0.05)):times(p.n) .. mp.mark "half"
        .. mp.pulse(mp.rmt(90)):label "second"
    end }]]
local experiment = [[local mp = require "moonpulse"
  return mp.experiment { name = "Stairs", run = function(run)
    local stim = run:device()
    run:mark "begun"
    for trial, intensity in run:staircase { start = 45, step = 4, reversals = 2, min_step = 4,
      kind = "RMT" } do
      stim:arm(mp.pulse(mp.mso(intensity)))
      stim:fire(mp.pulse(mp.mso(intensity)):label "single")
      trial:answer(run:ask "MEP? [y/n]")
      stim:disarm()
    end
    for _, method in ipairs { "stochastic", "relative-frequency" } do
      for trial in run:threshold { method = method, start = 45, trials = 3, kind = "AMT", step = 2,
        variant = method == "stochastic" and "analog H" or nil } do
        trial:answer(method == "stochastic" and tostring(100 - 30 * trial.number) or "n")
      end
    end
    run:note "now the last ones"
    local plan = mp.pulse(mp.mso(50)):label "last" .. mp.rest { min = 0.05, max = 0.1 }
      .. mp.pulse(mp.mso(50)):label "last"
    stim:arm(plan)
    stim:play(plan)
    return run:now()
  end }]]

local common = "--rmt 50 --seed 7 --participant P1 --operator AB --tolerance 5000 --beyond-guidelines t "
  .. "--approval n --meta %s/meta.json --preflight %s/asked"

local function record(name, file, more, status)
  local out = folder .. "/" .. name
  local ended, said, err = shell.sh(folder, ("printf 'y\\n' | %s run %s/%s %s --out %s %s"):format(
    shell.quote(shell.program), folder, file, common:gsub("%%s", folder), out, more or ""))
  assert.are.equal(status or 0, ended, said .. err)
  return fixture.run_in(out)
end

local function copy_of(run)
  local path = folder .. "/changed/" .. run:match("[^/]+$")
  shell.remove(folder .. "/changed")
  assert(lfs.mkdir(folder .. "/changed"))
  shell.copy(run, path)
  return path
end

local function found_in(path)
  local found, texts = assert(verify.folder(path, {})), {}
  for i, each in ipairs(found.differs) do
    texts[i] = ("%s: %s"):format(each.file, each.text)
  end
  table.move(found.unchecked, 1, #found.unchecked, #texts + 1, texts)
  return found.verdict, table.concat(texts, "\n")
end

--- What verify finds of a copy of a run whose manifest, journal and other files were changed.
local function after(run, change, journal, files)
  local path = copy_of(run)
  if change then
    local manifest = fixture.manifest(path)
    change(manifest)
    shell.write(path .. "/manifest.json", cjson.encode(manifest))
  end
  resealed.edit(path, journal, files)
  local verdict, text = made_once.without(found_in, path)
  if verdict == "differs" then
    return verdict, text
  end
  return found_in(path)
end

--- Of an entry of a kind, wherever it stands in the journal.
local function each_of(kind, change)
  return function(entries)
    for _, entry in ipairs(entries) do
      if entry.kind == kind then
        change(entry)
      end
    end
  end
end

--- The last line of a kind is taken away.
local function without_last(kind)
  return function(entries)
    for i = #entries, 1, -1 do
      if entries[i].kind == kind then
        table.remove(entries, i)
        return
      end
    end
  end
end

describe("a record that was edited and sealed again", function()
  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/three.lua", protocol)
    shell.write(folder .. "/stairs.lua", experiment)
    shell.write(folder .. "/asked", "ready\tIs all ready?\n")
    shell.write(folder .. "/answers", ("y\nn\n"):rep(9))
    shell.write(folder .. "/meta.json", [[{"coil": "MCF-B65", "age": 30, "rmt_method": "by EMG"}]])
    local answers = "--answers " .. folder .. "/answers "
    runs.protocol_real = record("protocol_real", "three.lua")
    runs.protocol_virtual = record("protocol_virtual", "three.lua", "--speed max")
    runs.experiment_real = record("experiment_real", "stairs.lua", answers)
    runs.experiment_virtual = record("experiment_virtual", "stairs.lua", answers .. "--speed max")
  end)
  teardown(function() shell.remove(folder) end)

  it("is whole where nothing was edited", function()
    for name, run in pairs(runs) do
      assert.are.same({ "whole", "" }, { after(run) }, name)
    end
  end)

  local seven = {
    { "conditions", function(m)
      for name, count in pairs(m.conditions) do
        m.conditions[name] = count + 1
      end
    end },
    { "conditions renamed", function(m)
      local name, count = next(m.conditions)
      m.conditions[name], m.conditions.another = nil, count
    end },
    { "trials", function(m) m.trials[next(m.trials)] = 77 end },
    { "plays", function(m) m.experiment.plays = m.experiment.plays + 1 end, only = "experiment" },
    { "onset error p50", function(m) m.result.lateness_us.p50 = 0.001 end, only = "real" },
    { "an onset error where none was measured", function(m)
      m.result.lateness_us = { p50 = 1, p95 = 1, p99 = 1, max = 1 }
    end, only = "virtual" },
    { "elapsed_s", function(m) m.result.elapsed_s = m.result.elapsed_s + 5 end },
    { "elapsed_s made less", function(m) -- it is 0 where the tests' clock stood still all the while
      m.result.elapsed_s = math.min(m.result.elapsed_s / 2, m.result.elapsed_s - 0.001)
    end },
    { "report replaced", files = { ["report.html"] = function() return "<html>all was well</html>" end } },
    { "report edited", files = { ["report.html"] = function(text)
      local made, count = text:gsub("Three", "Threw"):gsub("Stairs", "Stares")
      return count >= 0 and made
    end } },
    { "simulated in manifest and journal", function(m) m.device.simulated = false end,
      journal = each_of("begin", function(entry) entry.device.simulated = false end) },
    { "when a plan started", journal = each_of("play", function(entry)
      entry.start_ns = tostring(math.tointeger(tonumber(entry.start_ns)) + 500000000)
    end), only = "experiment_virtual" },
    { "a disarm line", journal = without_last "disarm" },
    { "a disarm line, and what the manifest says of it", function(m) m.result.disarmed = false end,
      journal = without_last "disarm" },
  }
  for _, case in ipairs(seven) do
    it("is found: " .. case[1], function()
      for name, run in pairs(runs) do
        if not case.only or name:find(case.only, 1, true) then
          local verdict, text = after(run, case[2], case.journal, case.files)
          assert.are.equal("differs", verdict, name .. "\n" .. text)
        end
      end
    end)
  end

  --- The places of all values in a manifest: { path, table, key }.
  local function leaves_of(tree, path, list)
    for key, value in pairs(tree) do
      local at = path .. "." .. tostring(key)
      if type(value) == "table" then
        leaves_of(value, at, list)
      else
        list[#list + 1] = { path = at:sub(2), at = tree, key = key }
      end
    end
    return list
  end

  -- Nothing else says these, by their nature: the last two are the chain's own, which whoever seals writes.
  local free = { journal_head = true, journal_lines = true }

  local function other_than(value)
    if type(value) == "boolean" then
      return not value
    end
    return type(value) == "number" and value + 1 or value .. "x"
  end

  local made = {} -- what is made again of each run, once: it takes a process

  --- Do the comparisons of the manifest's values, or of it with the journal's ends and the rows, find it,
  --- without all the rest of verify?
  local function is_seen(run, text)
    local path = folder .. "/seen"
    if not made[run] then
      shell.remove(path)
      shell.remove(run .. ".made")
      shell.copy(run, path)
      assert(lfs.mkdir(run .. ".made"))
      made[run] = children.protocol(run, run .. ".made", function() end)
    end
    shell.write(path .. "/manifest.json", text)
    local manifest = assert(read.manifest(path .. "/manifest.json"))
    local lines, found = journal_lines.of(shell.read(path .. "/journal.jsonl")), findings_of.new()
    manifests.check(manifest, lines, path .. "/events.tsv", found)
    if found:verdict() ~= "whole" then
      return true
    end
    local list, undone = derived.of(path, manifest, lines, shell.read(path .. "/events.tsv"),
      manifest.kind == "protocol" and made[run] or nil)
    leaves.check(path, manifest, lines, list, undone, found)
    return found:verdict() ~= "whole"
  end

  --- What is whole after one value of the manifest was changed.
  local function unfound(run, change)
    made[run] = nil
    assert.is_false(is_seen(run, shell.read(run .. "/manifest.json")))
    local missed, count = {}, #leaves_of(fixture.manifest(run), "", {})
    for i = 1, count do
      local path
      local function changed(manifest)
        local list = leaves_of(manifest, "", {})
        table.sort(list, function(a, b) return a.path < b.path end)
        path = list[i].path
        change(list[i])
      end
      local manifest = fixture.manifest(run)
      changed(manifest)
      local is_whole = not free[path] and not is_seen(run, cjson.encode(manifest))
        and after(run, changed) == "whole"
      missed[#missed + 1] = is_whole and path or nil
    end
    assert.is_true(count > 60)
    return missed
  end

  for _, name in ipairs { "protocol_real", "protocol_virtual", "experiment_real", "experiment_virtual" } do
    it("is never whole, whichever value of its manifest was changed: " .. name, function()
      assert.are.same({}, unfound(runs[name], function(leaf)
        leaf.at[leaf.key] = other_than(leaf.at[leaf.key])
      end))
    end)
  end

  it("is never whole, whichever value of its manifest was taken away", function()
    assert.are.same({}, unfound(runs.protocol_real, function(leaf) leaf.at[leaf.key] = nil end))
  end)

  it("is never whole with a value in its manifest that no run writes", function()
    for _, run in pairs(runs) do
      assert.are.equal("differs", (after(run, function(manifest) manifest.result.blessed = "yes" end)))
      assert.are.equal("differs", (after(run, function(manifest) manifest.conditions.more = 4 end)))
    end
  end)

  --- The journal without a line; uncounted: nor does another line count it.
  local function without(number, uncounted)
    return function(entries)
      local kind = table.remove(entries, number).kind
      for _, each in ipairs(uncounted and entries or {}) do
        local counts = each.lines_before
        if counts and counts[kind] then
          counts[kind] = counts[kind] > 1 and counts[kind] - 1 or nil
        end
      end
    end
  end

  --- Does the audit trail alone, or else all of verify, find that a line is missing?
  local function is_missed(run, number, uncounted)
    local lines, found, entries = {}, findings_of.new(), resealed.journal(run)
    without(number, uncounted)(entries)
    for i, entry in ipairs(entries) do
      lines[i] = { entry = entry }
    end
    trails.check(fixture.manifest(run), lines, true, found)
    return found:verdict() ~= "whole" or after(run, nil, without(number, uncounted)) ~= "whole"
  end

  it("is never whole, whichever line of its journal was taken away", function()
    for name, run in pairs(runs) do
      for i, entry in ipairs(resealed.journal(run)) do
        assert.is_true(is_missed(run, i), ("%s: line %d (%s)"):format(name, i, entry.kind))
      end
    end
  end)

  -- Only its count shows that a script in real time was told something of the clock, where it decides the
  -- same without.
  local only_counted = { read = true }

  it("is never whole, whichever line of the audit trail was taken away and is counted no more", function()
    for name, run in pairs(runs) do
      for i, entry in ipairs(resealed.journal(run)) do
        assert.is_true(only_counted[entry.kind] or is_missed(run, i, true),
          ("%s: line %d (%s)"):format(name, i, entry.kind))
      end
    end
  end)
end)
