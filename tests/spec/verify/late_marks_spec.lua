-- A script in virtual time takes its triggers late, and was stopped or killed amid that: what it had not told
-- by then has an onset long before. It catches the stop, and says a last word. Its record is whole, however
-- it was ended, and one that was edited is not.
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

local texts = {
  queued = [[for trial = 1, 200 do -- far from its end while a program starts that stops it
      local at = run:wait_trigger()
      run:mark("taken " .. trial)
      run:sleep(3)
      stim:fire(mp.pulse(mp.mso(30 + trial % 9)):label "X")
    end]],
  ahead = [[for trial = 1, 30 do
      run:wait_trigger { byte = 5 }
      local starts, came = stim:on_trigger(mp.pulse(mp.mso(40)), { count = 3, refractory = 0.7, timeout = 4 })
      run:note(("%d of %d"):format(starts, came))
    end]],
  parts = [[run:spawn(function()
      while true do
        local _, byte = run:wait_trigger()
        run:sleep(0.2)
        run:mark("part " .. byte)
      end
    end)
    for trial = 1, 30 do
      run:wait_trigger { byte = 5 }
      run:sleep(0.5)
      local plan = mp.pulse(mp.mso(40)):times(5, { every = 0.3 }) .. mp.mark "in the plan"
      stim:play(plan)
    end]],
  watched = [[for trial = 1, 30 do
      run:wait_trigger { byte = 7 }
      stim:arm(mp.pulse(mp.mso(40)))
      local pulses, why = stim:watch(mp.pulse(mp.mso(40)), { count = 2, refractory = 0.2, timeout = 5 })
      run:note(pulses .. why)
    end]],
}

-- each mark is told at its time, and the run is stopped amid it
local reported = [[for trial = 1, 40 do
      stim:fire(mp.pulse(mp.mso(40)))
      run:mark("pain reported " .. trial)
      run:sleep(3)
    end]]

local script = [[local mp = require "moonpulse"
  return mp.experiment(function(run)
    local stim = run:device()
    if %s then stim:arm() end
    local ok, problem = pcall(function()
    %s
    end)
    run:mark "the last word"
    run:wait_trigger { timeout = 0 }
    error(problem or "no stop came", 0)
  end)]]

local function triggers()
  local lines = {}
  for i = 1, 700 do
    lines[i] = ("%.1f port %d\n"):format(0.1 * i, 5 + i % 3)
  end
  return table.concat(lines)
end

local function found_in(run)
  local found, lines = assert(verify.folder(run, {})), {}
  for _, each in ipairs(found.differs) do
    lines[#lines + 1] = ("%s:%s: %s"):format(each.file, each.line or "", each.text)
  end
  return found.verdict, table.concat(lines, "\n") .. table.concat(found.unchecked, "\n")
end

local edits = {
  ["a mark is gone"] = { function(entries)
    for i, entry in ipairs(entries) do
      if entry.text == "taken 2" then
        return table.remove(entries, i)
      end
    end
  end, function(text) return (text:gsub("[^\n]*\ttaken 2\t[^\n]*\n", "")) end },
  ["a mark came at another time"] = { nil, function(text)
    return (text:gsub("\n[^\t]*(\t[^\n]*\t)(%d+)(%.000\t[^\n]*trigger: byte 6\t)",
      "\n1.234000000%11234000%3", 1))
  end },
  ["a pulse came at another time"] = { nil, function(text)
    return (text:gsub("(\tpulse\t2\t)(%d+)", function(before, us) return before .. (us + 100) end, 1))
  end },
  ["a pulse is gone"] = { nil, function(text) return (text:gsub("\n[^\n]*\tpulse\t2\t[^\n]*", "", 1)) end },
  ["a trigger more"] = { function(entries)
    for i, entry in ipairs(entries) do
      if entry.text == "taken 2" then
        return table.insert(entries, i, { kind = "mark", text = "trigger: byte 7", at_ns = entry.at_ns })
      end
    end
  end, function(text) return (text:gsub("\n([^\n]*\t)taken 2\t", "\n%1trigger: byte 7\t%0", 1)) end },
}

--- Let the last line count what is before it now.
local function counted(entries)
  local counts = {}
  for _, entry in ipairs(entries) do
    if entry.lines_before then
      entry.lines_before = {}
      for kind, count in pairs(counts) do
        entry.lines_before[kind] = count
      end
    end
    counts[entry.kind] = (counts[entry.kind] or 0) + 1
  end
end

--- events.tsv with other rows, counted anew.
local function numbered(rows)
  for i = 2, #rows do
    rows[i] = rows[i]:gsub("^([^\t]*\t[^\t]*\t[^\t]*\t)[^\t]*", "%1" .. i - 1)
  end
  return table.concat(rows, "\n") .. "\n"
end

local function is_hidden(text)
  local trial = tonumber((text or ""):match "^pain reported (%d+)$")
  return trial and trial >= 3 and trial <= 8
end

local function without_hidden(text)
  local rows = {}
  for row in text:gmatch "[^\n]+" do
    rows[#rows + 1] = not is_hidden(row:match "\t(pain reported %d+)\t") and row or nil
  end
  return numbered(rows)
end

--- Move the stop to just behind the second mark, and take the next six marks away.
---@param entries table[]
---@param gone table<string, boolean> kinds of lines that are taken away behind it as well
local function stop_early(entries, gone)
  local stop, place
  for i = #entries, 1, -1 do
    local entry = entries[i]
    if entry.kind == "stop" then
      stop = table.remove(entries, i)
    elseif is_hidden(entry.text) then
      table.remove(entries, i)
    elseif entry.text == "pain reported 2" then
      place = i + 1
      stop.at_ns = entry.at_ns
    elseif not place and gone[entry.kind] and stop then
      table.remove(entries, i)
    end
  end
  table.insert(entries, place, stop)
  counted(entries)
end

--- A mark more behind the stop, at another time.
local function invent(text, at_ns, more)
  return function(entries)
    for i, entry in ipairs(entries) do
      if entry.kind == "stop" then
        table.insert(entries, i + 1, { kind = "mark", text = text, at_ns = at_ns })
        if more then
          more(entry)
        end
        break
      end
    end
    counted(entries)
  end, function(table_text)
    local rows, done = {}, false
    local mark = table_text:match "\n([^\n]*\tpain reported 1\t[^\n]*)"
    local us = ("%d.000"):format(tonumber(at_ns) // 1000)
    mark = mark:gsub("pain reported 1", text):gsub("^[^\t]*", ("%.9f"):format(tonumber(at_ns) / 1e9))
      :gsub("^(" .. ("[^\t]*\t"):rep(6) .. ")[^\t]*", "%1" .. us)
    for row in table_text:gmatch "[^\n]+" do
      if not done and (tonumber(row:match "^[^\t]*") or 0) > tonumber(at_ns) / 1e9 then
        rows[#rows + 1], done = mark, true
      end
      rows[#rows + 1] = row
    end
    return numbered(rows)
  end
end

local forgeries = {
  ["marks are gone behind an earlier stop"] = { function(entries) stop_early(entries, {}) end,
    without_hidden },
  ["and so are the plans"] = { function(entries) stop_early(entries, { play = true, read = true }) end,
    without_hidden },
  ["a mark was told long after its time"] = { invent("no pain at all", "4000000000") },
  ["as one of a trigger"] = { invent("trigger: byte 9", "4000000000") },
  ["behind a stop of an earlier time"] = { invent("no pain at all", "4000000000",
    function(stop) stop.at_ns = "3000000000" end) },
}

describe("a script that took its triggers late and was ended", function()
  local folder, jobs
  fixture.each_test(function(new, list)
    folder, jobs = new, list
    shell.write(folder .. "/triggers", triggers())
  end)

  --- Run it, and end it once its journal has so many marks.
  local function ended(name, text, how, marks)
    shell.write(("%s/%s.lua"):format(folder, name), script:format(name ~= "watched", text))
    local out = ("%s/%s.%s"):format(folder, name, how)
    local job = jobs:start(name .. how, ("run %s/%s.lua --speed 60 --triggers %s/triggers --out %s "
      .. "--events %s/%s.sock --tolerance 5000 --beyond-guidelines test --approval none"):format(folder, name,
      folder, out, folder, name))
    local run
    shell.await(function()
      local names = shell.names(out)
      run = names[1] and out .. "/" .. names[1]
      local _, count = (run and shell.read(run .. "/journal.jsonl") or ""):gsub('"kind":"mark"', "")
      return job:ended() or count >= marks
    end, "its marks")
    if how == "stop" then
      local status, said, err = shell.moonpulse(folder, ("ctl stop %s/%s.sock"):format(folder, name))
      assert.are.equal(0, status, said .. err)
    else
      job:signal(how)
    end
    job:wait()
    if how == "KILL" then
      shell.moonpulse(folder, "recover " .. run)
    end
    local stop = ({ KILL = "interrupted", stop = "program" })[how] or "signal"
    local manifest = fixture.manifest(run)
    assert.are.equal(stop, how == "KILL" and manifest.status or manifest.result.stop, job:err())
    return run
  end

  local cases = { queued = { KILL = 25, stop = 18 }, ahead = { KILL = 25 }, parts = { INT = 12 },
    watched = { INT = 12 } }
  for name, text in pairs(texts) do
    for how, marks in pairs(cases[name]) do
      it(("has a whole record: %s, %s"):format(name, how), function()
        local run = ended(name, text, how, marks)
        local verdict, said = found_in(run)
        assert.are.equal("whole", verdict, said)
        if how == "INT" then -- what it did then stands behind that
          local stop, last
          for i, entry in ipairs(resealed.journal(run)) do
            stop = entry.kind == "stop" and i or stop
            last = entry.text == "the last word" and i or last
          end
          assert.is_true(stop ~= nil and last ~= nil and stop < last, ("%s, %s"):format(stop, last))
        end
      end)
    end
  end

  it("does not have one that was edited", function()
    local run = ended("queued", texts.queued, "INT", 24)
    assert.are.equal("whole", (found_in(run)))
    for what, edit in pairs(edits) do
      local copy = folder .. "/copy"
      shell.remove(copy)
      shell.copy(run, copy)
      local before = shell.read(copy .. "/events.tsv")
      resealed.edit(copy, edit[1], { ["events.tsv"] = edit[2] })
      assert.are_not.equal(before, shell.read(copy .. "/events.tsv"), what)
      local verdict, said = found_in(copy)
      assert.are.equal("differs", verdict, what)
      assert.is_nil(said:find("SHA256SUMS", 1, true), said)
    end
  end)

  it("hides and invents no mark by a stop that was moved", function()
    local run = ended("told", reported, "INT", 15)
    assert.are.equal("whole", (found_in(run)))
    for what, edit in pairs(forgeries) do
      local copy = folder .. "/copy"
      shell.remove(copy)
      shell.copy(run, copy)
      local before = shell.read(copy .. "/events.tsv")
      resealed.edit(copy, edit[1], { ["events.tsv"] = edit[2] }, true)
      assert.are_not.equal(before, shell.read(copy .. "/events.tsv"), what)
      local verdict, said = found_in(copy)
      assert.are.equal("differs", verdict, what)
      for _, each in ipairs { "SHA256SUMS", "lines of the kind", "chain" } do -- not by what was closed again
        assert.is_nil(said:find(each, 1, true), what .. ": " .. said)
      end
    end
  end)
end)
