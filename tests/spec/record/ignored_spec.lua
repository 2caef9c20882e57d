--- What a simulator says that it ignored, counted where it was of the plan: from a log that the test writes.
local ignored = require "moonpulse.record.ignored"
local shell = require "shell"

local folder
before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- Of a run that sent these frames, with a log of { kind, bytes, note }.
local function count(frames, log)
  local record = { folder = folder }
  for _, list in ipairs(frames) do
    ignored.remember(record, list)
  end
  local rows = { "time\tkind\tbytes\tnote" }
  for i, row in ipairs(log) do
    rows[i + 1] = ("%d\t%s\t%s\t%s"):format(i, row[1], hex(row[2]), row[3])
  end
  shell.write(folder .. "/twin.tsv", table.concat(rows, "\n") .. "\n")
  return ignored.count(record)
end

describe("what a simulator ignored", function()
  local every_byte = {}
  for byte = 0, 255 do
    every_byte[byte + 1] = string.char(byte)
  end
  every_byte = table.concat(every_byte)

  it("is counted where the plan sent it, with what was said of the first", function()
    local frames = { { { bytes = "fire", after = "" }, { bytes = every_byte, after = "rest" } } }
    assert.are.same({ 3, "too soon" }, { count(frames, { { "ignored", "fire", "too soon" },
      { "ignored", every_byte, "unknown" }, { "set", "fire", "done" }, { "ignored", "rest", "late" } }) })
  end)

  it("is not counted where it was a question of connecting or arming", function()
    assert.are.same({ 1, "too soon" }, { count({ { { bytes = "fire", after = "" } } },
      { { "ignored", "who?", "no such command" }, { "ignored", "fire", "too soon" } }) })
    assert.are.same({ 0 }, { count({ { { bytes = "fire", after = "" } } }, { { "ignored", "who?", "no" } }) })
  end)

  it("is counted also as one message of a frame of several, and of each plan of the run", function()
    local frames = { { { bytes = "one;two;", after = "" } }, { { bytes = "three", after = "" } } }
    assert.are.same({ 3, "a" }, { count(frames, { { "ignored", "two;", "a" }, { "ignored", "three", "b" },
      { "ignored", "two;", "c" } }) })
  end)

  it("is none without a log, or where nothing was planned", function()
    assert.are.equal(0, ignored.count { folder = folder })
    assert.are.equal(0, ignored.count { folder = folder, sent_frames = { fire = true } })
  end)
end)
