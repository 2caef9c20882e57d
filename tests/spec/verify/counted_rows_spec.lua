-- The pulses of a table, counted part by part, are those of its rows read one by one, wherever a part ends.
local chance = require "chance"
local core = require "moonpulse.core"
local counted = require "moonpulse.verify.counted_rows"
local read = require "moonpulse.record.read"
local shell = require "shell"

local header = core.event_header:match("[^\n]*")
local usual = { "0.1", "0", "TS", "1", "pulse", "1", "100000.000", "1", "2", "3", "1", "30", "60", "MSO",
  "delivered", "ok", "host", "read", "1", "1" }
local statuses = { "delivered", "sent", "skipped", "late", "perhaps_sent", "otherwise", "unconfirmed", "n/a" }

--- Counted from a table of Lua for each row.
local function one_by_one(text)
  local counts = { sent = 0, confirmed = 0, skipped = 0 }
  local events = read.parse(text, "events.tsv")
  if not events or events.incomplete > 0 then
    return nil
  end
  for _, row in ipairs(events.pulses) do
    local key = (row.was_sent or row.status == "perhaps_sent") and "sent" or "skipped"
    counts[key] = counts[key] + 1
    if row.status == "delivered" or row.status == "otherwise" then
      counts.confirmed = counts.confirmed + 1
    end
  end
  return counts
end

describe("the pulses of a table", function()
  local folder, path

  before_each(function()
    folder = shell.folder()
    path = folder .. "/events.tsv"
  end)

  after_each(function() shell.remove(folder) end)

  it("are counted as its rows have them", function()
    for seed = 1, 12 do
      local draw, lines = chance.new(seed), { header }
      for i = 1, draw:draw(1, 4) == 1 and draw:draw(0, 3) or draw:draw(1000, 8000) do
        local row = { table.unpack(usual) }
        row[5] = draw:once_in(9) and "mark" or "pulse"
        row[6], row[8] = tostring(i), draw:once_in(5) and "n/a" or "1"
        row[15] = draw:pick(statuses)
        row[3] = draw:once_in(500) and ("x"):rep(draw:draw(1, 200000)) or "TS"
        lines[#lines + 1] = table.concat(row, "\t") .. (draw:once_in(7) and "\r" or "")
      end
      local text = table.concat(lines, "\n") .. (draw:once_in(2) and "\n" or "")
      shell.write(path, text)
      local expected = one_by_one(text)
      assert.is_table(expected)
      assert.are.same(expected, counted.of(path), "seed " .. seed)
    end
  end)

  it("are not, where it is no table or a row is not whole", function()
    local row = table.concat(usual, "\t") .. "\n"
    local long = header .. "\n" .. row:rep(4000)
    for _, text in ipairs { "", "\n", "a\tb\n1\t2\n", long .. "1\t2\n",
      header .. "\n" .. "1\n" .. row:rep(4000) } do
      shell.write(path, text)
      assert.is_nil(counted.of(path))
    end
    assert.is_nil(counted.of(folder .. "/none"))
    assert.is_nil(counted.of(folder))
    shell.write(path, long)
    assert.are.same({ sent = 4000, confirmed = 4000, skipped = 0 }, counted.of(path))
  end)
end)
