--- An experiment's journal, read back: what is damaged is left out and said once, what is whole is kept.
local journals = require "moonpulse.record.journal"
local shell = require "shell"

local folder
before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

local path

--- A journal of so many marks; its lines.
local function marks(count)
  path = folder .. "/journal.jsonl"
  local journal = assert(journals.new(folder))
  for i = 1, count do
    journal:write("mark", { at_ns = math.maxinteger - i, text = "mark " .. i })
  end
  journal:close()
  local lines = {}
  for line in shell.read(path):gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines
end

--- What is read of these lines: the numbers of the marks, and what is said.
local function read_of(lines)
  shell.write(path, table.concat(lines, "\n") .. "\n")
  local entries, said = journals.read(folder)
  local numbers = {}
  for i, entry in ipairs(entries) do
    assert.are.equal("mark", entry.kind)
    numbers[i] = entry.text:match("%d+")
  end
  return table.concat(numbers, " "), said
end

describe("a journal", function()
  it("that is whole is read as it was written, times to the nanosecond", function()
    local numbers, said = read_of(marks(3))
    assert.are.equal("1 2 3", numbers)
    assert.are.same({}, said)
    assert.are.equal(math.maxinteger - 2, journals.read(folder)[2].at_ns)
  end)

  it("says of each damaged place once which lines it is, and keeps the rest", function()
    local torn = "it is torn or was changed"
    for _, case in ipairs {
      { { 2 }, "1 3 4 5 6 7 8", { "line 2 of journal.jsonl could not be read (" .. torn .. ")" } },
      { { 2, 3, 4 }, "1 5 6 7 8", { "lines 2 to 4 of journal.jsonl could not be read (" .. torn .. ")" } },
      { { 1, 4, 5 }, "2 3 6 7 8", { "line 1 of journal.jsonl could not be read (" .. torn .. ")",
        "lines 4 to 5 of journal.jsonl could not be read (" .. torn .. ")" } },
      { { 6, 8 }, "1 2 3 4 5 7", { "line 6 of journal.jsonl could not be read (" .. torn .. ")",
        "line 8 of journal.jsonl could not be read (" .. torn .. ")" } },
    } do
      local lines = marks(8)
      for _, number in ipairs(case[1]) do
        lines[number] = lines[number]:gsub("mark %d", "nark 9")
      end
      local numbers, said = read_of(lines)
      assert.are.equal(case[2], numbers)
      assert.are.same(case[3], said)
    end
  end)

  it("takes a line without a checksum, among others that have one, for a damaged one", function()
    local lines = marks(4)
    lines[2], lines[3] = '{"kind":"mark","at_ns":"1","text":"mark 2"}', "{"
    local numbers, said = read_of(lines)
    assert.are.equal("1 4", numbers)
    assert.are.same({ "lines 2 to 3 of journal.jsonl could not be read (it is torn or was changed)" }, said)
  end)

  it("leaves out a setting without its action, however that line was closed", function()
    for _, action in ipairs { "text", 5, false } do
      marks(1)
      local journal = assert(journals.new(folder))
      journal:write("set", { at_ns = 1, told_ns = 1, latency_ns = 0, action = action or nil })
      journal:write("mark", { at_ns = 2, text = "mark 2" })
      journal:close()
      local entries, said = journals.read(folder)
      assert.are.same({ 1, "mark" }, { #entries, entries[1].kind })
      assert.are.same({ "line 1 of journal.jsonl could not be read (set.action is not an object)" }, said)
    end
  end)

  it("says which lines are missing or out of their order", function()
    local lines = marks(5)
    table.remove(lines, 2)
    local numbers, said = read_of(lines)
    assert.are.equal("1 3 4 5", numbers)
    assert.are.same({ "journal.jsonl: the lines before line 3 are missing" }, said)
    lines = marks(4)
    lines[2], lines[3] = lines[3], lines[2]
    numbers, said = read_of(lines)
    assert.are.equal("1 3 2 4", numbers)
    assert.are.same({ "journal.jsonl: the lines before line 3 are missing",
      "journal.jsonl: line 2 is out of order", "journal.jsonl: the lines before line 4 are missing" }, said)
    lines = marks(3)
    table.insert(lines, lines[1]) -- once more
    numbers, said = read_of(lines)
    assert.are.equal("1 2 3 1", numbers)
    assert.are.same({ "journal.jsonl: line 1 is out of order" }, said)
  end)

  it("of an older version has neither numbers nor checksums", function()
    marks(0)
    local numbers, said = read_of { '{"kind":"mark","at_ns":"7","text":"mark 1"}',
      '{"kind":"mark","at_ns":"9","text":"mark 2"}' }
    assert.are.equal("1 2", numbers)
    assert.are.same({}, said)
  end)

  local function full()
    local journal = assert(journals.new(folder))
    journal:write("mark", { at_ns = 1, text = "there was room" })
    journal.file:close()
    journal.file = assert(io.open("/dev/full", "w"))
    for _ = 1, 2 do
      local ok, problem = pcall(journal.write, journal, "mark", { at_ns = 1, text = "x" })
      assert.is_false(ok)
      assert.are.equal("stopped", problem.code)
      assert.matches("the journal cannot be written, so nothing more is played: .*No space left",
        problem.message)
    end
    local ok, problem = pcall(journal.did, journal, "set", { at_ns = 2, told_ns = 1 })
    assert.is_false(ok) -- but it was done
    assert.are.equal("stopped", problem.code)
    journal:tell("stop", { why = "told all the same" })
    return journal
  end

  it("that cannot be written plays nothing more, and says so each time", function()
    local journal = full()
    shell.remove(folder) -- nor when the run is over
    journal:close()
    assert.matches("No space left", journal.lost)
  end)

  it("that can be written again at the end has what was done, and not what was not", function()
    local journal = full()
    journal:close()
    assert.is_nil(journal.lost)
    local kinds = {}
    for line in io.lines(folder .. "/journal.jsonl") do
      kinds[#kinds + 1] = line:match '"kind":"(%l+)"'
    end
    assert.are.same({ "mark", "set", "stop" }, kinds)
  end)
end)
