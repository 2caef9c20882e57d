-- A stop is noted at once and written with the journal's next line: what stopped a run first stays its
-- reason.
local audits = require "moonpulse.record.audit"
local journal_lines = require "moonpulse.record.journal_lines"
local shell = require "shell"

local folder
before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

--- The journal's stops and notes, as "kind reason at_ns" and "kind text".
local function written(act)
  local audit = audits.new("AB")
  local journal = assert(audit:begin(folder, { options = {} }, 0, nil, false))
  act(audit)
  journal:close()
  local words = {}
  for _, entry in ipairs(journal_lines.whole((journal_lines.of(shell.read(folder .. "/journal.jsonl"))))) do
    if entry.kind == "stop" then
      words[#words + 1] = ("stop %s %s at %s"):format(entry.reason, entry.source, entry.at_ns)
    elseif entry.kind == "note" then
      words[#words + 1] = "note " .. entry.text
    end
  end
  return words
end

local function device()
  return "the device", "it did not answer"
end

local function signal()
  return "Ctrl-C (SIGINT)"
end

describe("a stop that is noted", function()
  it("is the first one: what came before it was written takes nothing from it", function()
    assert.are.same({ "stop device the device at 1000", "note the last word" }, written(function(audit)
      audit:note_stop("device", device, 1000)
      audit:note_stop("signal", signal, 2000)
      audit:write_noted()
      audit:tell("note", { text = "the last word" })
      audit:tell_stop("device", "told again", nil, 1000)
    end))
  end)

  it("waits for no line where its outcome is heard, which has its time", function()
    assert.are.same({ "stop signal Ctrl-C (SIGINT) at 900" }, written(function(audit)
      audit:note_stop("signal", signal, 2000)
      audit:tell_stop("signal", "Ctrl-C (SIGINT)", nil, 900)
    end))
  end)

  it("is what came first, also where that is heard later", function()
    assert.are.same({ "stop device the device at 900", "note the last word" }, written(function(audit)
      audit:note_stop("signal", signal, 2000)
      audit:note_stop("device", device, 900)
      audit:write_noted()
      audit:tell("note", { text = "the last word" })
    end))
  end)

  it("has the time of its outcome in any line that is written behind that", function()
    assert.are.same({ "stop signal Ctrl-C (SIGINT) at 2300", "note the last word" }, written(function(audit)
      audit:note_stop("signal", signal, 2000)
      audit:note_stop("signal", signal, 2300)
      audit:write_noted()
      audit:tell("note", { text = "the last word" })
    end))
  end)
end)
