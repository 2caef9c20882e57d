-- What was typed first, and was no answer, is in the record: made again it is refused again, whoever gave it,
-- and a record that says otherwise is not whole.
local author = require "author"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

local body = [[
  stim:arm()
  run:spawn(function()
    run:ask "Which eye? [left/right]"
  end)
  run:sleep(0.2)
  run:ask "Pain? [number 0 to 10]"
  for trial, intensity in run:staircase { start = 45, step = 2, trials = 2 } do
    run:sleep(0.1)
    stim:fire(mp.pulse { intensity = mp.mso(intensity) })
    trial:answer(run:ask "MEP?")
    run:sleep(5)
  end
  stim:disarm()]]

describe("an answer that was refused", function()
  local folder
  fixture.each_test(function(...) folder = ... end)

  local function verdict_of(run)
    local found, said = assert(verify.folder(run, {})), {}
    for i, each in ipairs(found.differs) do
      said[i] = ("%s:%s: %s"):format(each.file, each.line or "", each.text)
    end
    return found.verdict, table.concat(said, "\n")
  end

  --- The lines of a journal that say it, by what was answered.
  local function refused(entries)
    local found = {}
    for i, entry in ipairs(entries) do
      if entry.kind == "refused_answer" then
        found[entry.answer] = i
      end
    end
    return found
  end

  local function refused_lines(entries)
    local lines = {}
    for i, entry in ipairs(entries) do
      lines[#lines + 1] = entry.kind == "refused_answer" and i or nil
    end
    return lines
  end

  local edits = {
    ["another was refused"] = function(entries) entries[refused(entries)["11"]].answer = "7" end,
    ["other answers would have been taken"] = function(entries)
      entries[refused(entries)["perhaps"]].takes = "a number"
    end,
    ["a trial's is gone"] = function(entries) table.remove(entries, refused(entries)["maybe"]) end,
    ["one more"] = function(entries)
      local i = refused(entries)["maybe"]
      local copy = {}
      for key, value in pairs(entries[i]) do copy[key] = value end
      table.insert(entries, i, copy)
    end,
  }

  local function ran(speed)
    shell.write(folder .. "/given", "perhaps\nleft\n11\n3\nmaybe\nn\ny\n")
    local status, out, err, run = author.perform(folder, "local stim = run:device()",
      speed == "1" and body:gsub("sleep%(5%)", "sleep(0.6)") or body, ("<%s/given --device sim:magventure "
      .. "--speed %s --tolerance 5000 --beyond-guidelines test --approval none"):format(folder, speed))
    assert.are.equal(0, status, out .. err)
    return run
  end

  for _, speed in ipairs { "max", "1" } do
    it("is one again: --speed " .. speed, function()
      local run = ran(speed)
      local said = refused(resealed.journal(run))
      assert.is_truthy(said.perhaps and said["11"] and said.maybe)
      local verdict, text = verdict_of(run)
      assert.are.equal("whole", verdict, text)
      for what, edit in pairs(edits) do
        local copy = folder .. "/copy"
        shell.remove(copy)
        shell.copy(run, copy)
        resealed.edit(copy, function(entries)
          edit(entries)
          entries[#entries - 1].lines_before.refused_answer = #refused_lines(entries)
        end)
        verdict, text = verdict_of(copy)
        assert.are.equal("differs", verdict, what)
        assert.is_nil(text:find("lines of the kind", 1, true), text)
      end
    end)
  end
end)
