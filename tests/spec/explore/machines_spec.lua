--- The same seed leaves the same bytes on whatever machine, in whatever process, however busy it is.
local evidence = require "moonpulse.explore.evidence"
local folders = require "moonpulse.record.folder"
local histories = require "moonpulse.explore.history"
local machines = require "machines"
local play = require "moonpulse.explore.play"
local scenarios = require "moonpulse.explore.scenario"
local shell = require "shell"

--- What may differ is the name of the port, a number of the process, what is hashed over it, and the last
--- line, which says when the folder was sealed.
local function bare(text)
  return text and text:gsub('[^\n]*"kind":"sealed"[^\n]*\n$', ""):gsub("wire:%d+", "wire")
    :gsub('"prev":"%x+"', ""):gsub('"check":"%x+"', ""):gsub("/%S*_explored[_%d]*", "")
    :gsub("took%s[^\n]*", ""):gsub("seal%s[^\n]*", "")
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
      told = bare(table.concat(run.told)), ends = ("%d %s"):format(run.status, bare(run.message) or "") }
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
