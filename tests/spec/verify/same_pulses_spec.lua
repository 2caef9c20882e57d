-- The first look at a table and at the one made again: whatever the files are, it never says that they have
-- the same pulses where the closer look finds a difference, and says it of what runs write.
local chance = require "chance"
local core = require "moonpulse.core"
local findings_of = require "moonpulse.verify.findings"
local pulses = require "moonpulse.verify.pulses"
local shell = require "shell"

local header = core.event_header:match("[^\n]*")
local count = select(2, header:gsub("[^\t]+", ""))
local usual = { "0.1", "0", "TS", "1", "pulse", "1", "100000.000", "1", "2", "3", "1", "30", "60", "MSO",
  "delivered", "ok", "host", "read", "1", "1" }
local odd = { "", "n/a", "mark", "pulse", "2", "02", "-1", "1e0", "9007199254740993", "100000.001", "x",
  ("long"):rep(20000), "1\0", "a\r", "2.0" }

--- The cells of some rows in the order of their pulses, every third of them a mark.
local function rows_of(pulses_in)
  local rows = {}
  for pulse = 1, pulses_in do
    local row = { table.unpack(usual) }
    row[4], row[6], row[7] = tostring(#rows + 1), tostring(pulse), ("%d.000"):format(pulse * 100000)
    rows[#rows + 1] = row
    if pulse % 3 == 0 then
      row = { table.unpack(usual) }
      row[5], row[6] = "mark", "n/a"
      rows[#rows + 1] = row
    end
  end
  return rows
end

local function text_of(rows)
  local lines = { header }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = table.concat(row, "\t")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- What the closer look finds.
local function differences(text, made)
  local findings = findings_of.new()
  pulses.compare(text, made, { whole = true, what = "the plan has", since = function() return 0 end,
    same_device = true }, findings)
  return #findings.differs
end

describe("the first look at the pulses of a table", function()
  local folder, path, other

  before_each(function()
    folder = shell.folder()
    path, other = folder .. "/events.tsv", folder .. "/again.tsv"
  end)

  after_each(function() shell.remove(folder) end)

  local function same(text, made)
    shell.write(path, text)
    shell.write(other, made)
    return pulses.are_same(path, other)
  end

  it("finds the same in what differs only where the plan does not decide", function()
    assert.are.equal(count, #usual)
    local rows, made = rows_of(2000), rows_of(2000)
    table.remove(rows, 4) -- a mark
    for i, row in ipairs(rows) do
      row[1], row[4], row[8], row[10], row[15] = "7.5", tostring(i + 9), "9", ("%d.5"):format(i), "late"
    end
    assert.is_true(same(text_of(rows), text_of(made)))
    assert.is_true(same(header .. "\n", header .. "\n"))
  end)

  it("finds each cell that the plan decides, and never more than the closer look", function()
    local alike, apart = 0, 0
    for seed = 1, 3000 do
      local draw, rows = chance.new(seed), rows_of(12)
      local made = text_of(rows)
      for _ = 1, draw:draw(1, 2) do
        local at = draw:draw(1, #rows)
        if draw:once_in(4) then
          table.insert(rows, draw:draw(1, #rows), table.remove(rows, at))
        else
          rows[at][draw:draw(1, count + (draw:once_in(20) and 1 or 0))] = draw:pick(odd)
        end
      end
      local text = text_of(rows)
      text = draw:once_in(10) and text:sub(1, -draw:draw(2, 300)) or text
      local found = differences(text, made)
      if same(text, made) then
        alike = alike + 1
        assert.are.equal(0, found, "seed " .. seed)
      end
      apart = apart + (found > 0 and 1 or 0)
    end
    assert.is_true(alike > 500 and apart > 500, alike .. " " .. apart)
  end)

  it("leaves what no run writes to the closer look", function()
    local rows = rows_of(5)
    local text = text_of(rows)
    for _, made in ipairs { "", "\n", text .. "\n", text:sub(1, -2), (text:gsub("\n", "\r\n")), "x" .. text,
      text:gsub("\n$", "\t1\n"), text .. ("x"):rep(200000) .. "\n", text .. ("\t"):rep(300) .. "\n",
      text .. text:match("[^\n]*\n$") } do
      assert.is_false(same(made, made), made:sub(1, 40))
      assert.is_false(same(made, text))
    end
    assert.is_true(same(text, text))
    assert.is_false(pulses.are_same(path, folder))
    assert.is_false(pulses.are_same(path, folder .. "/none"))
    assert.is_true(os.execute(("cd %s && mkfifo pipe && ln -s events.tsv link"):format(folder)))
    assert.is_false(pulses.are_same(folder .. "/pipe", other))
    assert.is_false(pulses.are_same(path, folder .. "/link"))
  end)

  it("wants columns that it knows", function()
    for _, columns in ipairs { {}, { "event" }, { "number" }, { "event", "number", "what" },
      { "event", "number", 1 } } do
      assert.has_error(function() core.same_pulses("a", "b", header, columns) end)
    end
    assert.has_error(function() core.same_pulses("a", "b", header, { "event", "number",
      table.unpack(usual, 1, 63) }) end)
    local most = { "event", "number" }
    for i = 3, 64 do
      most[i] = "same"
    end
    assert.is_false(core.same_pulses("a", "b", header, most))
  end)
end)
