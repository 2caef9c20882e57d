--- The same seed leaves the same bytes on whatever machine, in whatever process, however busy it is.
local evidence = require "moonpulse.explore.evidence"
local folders = require "moonpulse.record.folder"
local histories = require "moonpulse.explore.history"
local lfs = require "lfs"
local machines = require "machines"
local play = require "moonpulse.explore.play"
local scenarios = require "moonpulse.explore.scenario"
local shell = require "shell"

--- What may differ is the name of the port, a number of the process, what is hashed over it, and the last
--- line, which says when the folder was sealed.
local function bare(text)
  return text and text:gsub('[^\n]*"kind":"sealed"[^\n]*\n$', ""):gsub("wire:%d+", "wire")
    :gsub('"prev":"%x+"', ""):gsub('"check":"%x+"', "")
end

--- What is said to who is there names the folder, which no record does, and how long it took.
local function said(text)
  return text and bare(text):gsub("/%S*_explored[_%d]*", ""):gsub("took%s[^\n]*", ""):gsub("seal%s[^\n]*", "")
end

local function same_lines(wanted, text, what)
  if wanted == text then
    return
  end
  local lines = {}
  for line in (wanted or ""):gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  local number = 0
  for line in (text or ""):gmatch("[^\n]+") do
    number = number + 1
    assert.are.equal(lines[number], line, ("%s, line %d"):format(what, number))
  end
  assert.are.equal(#lines, number, what)
end

describe("a seed", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function played(seed, machine)
    local scenario = scenarios.draw(seed)
    histories.prepare(scenario, function(each)
      folders.empty(folder)
      return evidence.read(play.run(each, folder))
    end)
    folders.empty(folder)
    local run = machines.on(machine, play.run, scenario, folder)
    return { events = run.events_text, twin = run.simulator_text, journal = bare(run.journal_text),
      told = said(table.concat(run.told)), ends = ("%d %s"):format(run.status, said(run.message) or "") }
  end

  -- 9010512: its simulator's log was dropped, not closed, and its hash was that of what the garbage collector
  -- had written by then
  for _, seeds in ipairs { { 9010512, 9010512 }, { 1, 8 } } do
    it(("leaves the same bytes on all machines: %d to %d"):format(seeds[1], seeds[2]), function()
      for seed = seeds[1], seeds[2] do
        local wanted = played(seed, machines.all[1])
        for i = 2, #machines.all do
          local found = played(seed, machines.all[i])
          for _, what in ipairs { "events", "twin", "journal", "told", "ends" } do
            same_lines(wanted[what], found[what], ("%d, %s: %s"):format(seed, machines.all[i].name, what))
          end
        end
      end
    end)
  end

  -- 20400, 23392, 23487, 31328: what a full disk did not take was told with its folder, if that was one of
  -- /dev/shm or had a space in its name
  it("leaves the same bytes in every folder, also on a full disk", function()
    local full = { { at_s = 0, kind = "full", what = "disk" } }
    local places = { folder .. "/one", folder .. "/the lab's runs/of P07" }
    places[3] = lfs.attributes("/dev/shm", "mode") and "/dev/shm/" .. folder:match("[^/]*$") or nil
    local pulse = { kind = "pulse", ref = "MSO", value = 40 }
    for _, of in ipairs { { kind = "protocol", plan = { parts = { pulse } } },
      { kind = "experiment", script = { {} } } } do
      local scenario = { device = "duomag", late = "abort", seed = 1, timing = "host", tolerance_ms = 1,
        troubles = full, kind = of.kind, plan = of.plan, script = of.script }
      local first
      for _, place in ipairs(places) do
        assert(folders.make_all(place))
        local run = play.run(scenario, place)
        local name = place:match("[^/]*$")
        shell.remove(place)
        assert.matches("File too large", run.journal_text, 1, true)
        assert.is_nil(run.manifest_text:find(name, 1, true), run.manifest_text)
        first = first or bare(run.journal_text)
        same_lines(first, bare(run.journal_text), ("%s in %s"):format(of.kind, place))
      end
    end
  end)

  it("leaves the same bytes in every process", function()
    for _, seed in ipairs { 9010512, 5 } do
      local first
      for process = 1, 4 do
        local kept = ("%s/%d-%d"):format(folder, seed, process)
        local status, _, err = shell.moonpulse(folder,
          ("explore --seed %d --as-it-is --keep %s"):format(seed, kept))
        assert.are.equal(0, status, err)
        local journal, rows = shell.read(kept .. "/journal.jsonl"), shell.read(kept .. "/events.tsv")
        assert.is_string(journal)
        first = first or { bare(journal), rows }
        same_lines(first[1], bare(journal), seed .. ": journal")
        same_lines(first[2], rows, seed .. ": events")
      end
    end
  end)
end)
