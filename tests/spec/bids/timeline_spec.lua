-- The timeline in beh/: both ways of writing it give the same bytes, and what the run's table had wrong is
-- mended.
local bids = require "bids"
local core = require "moonpulse.core"
local timeline = require "moonpulse.bids.timeline"

local header = "onset\tduration\ttrial_type\tindex\tevent\tpulse\tonset_planned_us\tonset_sent_us\t"
  .. "status\treply\n"
local first = "0.5\t0\tpulse\t1\tpulse\t1\t500000\t500000\tdelivered\tn/a\n"
local mark = "0.6\t0\tmark\t2\tmark\tn/a\t600000\tn/a\tpassed\ta|b\n"
local second = "0.7\t0\tpulse\t3\tpulse\t2\t700000\t700000\tsent\tok\n"

local function written(text, whole, plan)
  local files = {}
  timeline.write(text, whole, nil, plan, { name = "Moonpulse", version = "1" }, "x", files)
  return bids.text(files["x_events.tsv"])
end

describe("the timeline", function()
  local with_plan = (header .. first .. mark .. second):gsub("\n", "\tp-1.plan\n"):gsub("p%-1%.plan",
    "stim_file", 1)

  it("is the run's table with one more column, row by row or at once", function()
    for _, whole in ipairs { true, false } do
      assert.are.equal(with_plan, written(header .. first .. mark .. second, whole, "p-1.plan"))
      assert.are.equal(header .. first .. mark .. second, written(header .. first .. mark .. second, whole))
    end
  end)

  it("is a copy of the run's own if the column is everywhere, and nothing else differs", function()
    local own = header .. first .. mark .. second
    assert.is_true(timeline.is_copy(with_plan, own))
    assert.is_true(timeline.is_copy(own, own))
    for _, other in ipairs { (with_plan:gsub("p%-1%.plan\n$", "q.plan\n")), (with_plan:gsub("0%.7", "0.71")),
      with_plan:sub(1, -2), with_plan .. "\n", (with_plan:gsub("\tstim_file", "")), header .. first } do
      assert.is_false(timeline.is_copy(other, own))
    end
    assert.is_false(timeline.is_copy(own, with_plan))
  end)

  it("takes lines over as they are only where each of them is whole and in order", function()
    local function taken(text)
      return core.plain_rows("h\n" .. text, 3) and (core.with_cell("h\n" .. text, 3, "c") or "") or nil
    end
    assert.are.equal("1\ta\tc\n1\tb\tc\n2.5\tc\n", taken "1\ta\n1\tb\n2.5\n")
    assert.are.equal("", taken "")
    assert.are.equal("-1e3\ta\0b\tc\n", taken "-1e3\ta\0b\n")
    -- the lines are looked at many bytes at a time: the odd one is at any place of them
    local row = "1\t" .. ("x"):rep(5) .. "\n"
    for before = 0, 20 do
      for behind = 0, 20, 4 do
        local function within(text)
          return taken(row:rep(before) .. text .. row:rep(behind))
        end
        assert.are.equal((row:rep(before) .. "1\ta\n" .. row:rep(behind)):gsub("\n", "\tc\n"),
          within "1\ta\n")
        for _, text in ipairs { "\n", "1\ta\n\n", "1\t\n", "\t1\n", "1\t\ta\n", "1\ta\r\n", "x\ta\n",
          "n/a\ta\n", "nan\ta\n", "2\ta\n1\ta\n", "1\ta\0\t\n", "\t\n" } do
          assert.is_nil(within(text), text)
        end
      end
      assert.is_nil(taken(row:rep(before) .. "1\ta"))
    end
    assert.has_error(function() core.plain_rows("a", 3) end)
    assert.has_error(function() core.with_cell("a", 3, "c") end)
  end)

  it("comes in parts that are whole lines, together all of them", function()
    local text, parts, at = "h\n" .. ("%d\tabc\n"):rep(30000, ""):gsub("%%d", "7"), {}, 3
    while true do
      local part, next = core.with_cell(text, at, "c")
      if not part then
        break
      end
      parts[#parts + 1], at = part, next
      assert.are.equal("\n", part:sub(-1))
    end
    assert.is_true(#parts > 3 and at == #text + 1)
    assert.are.equal(text:sub(3):gsub("\n", "\tc\n"), table.concat(parts))
    assert.is_nil((core.with_cell("h\n1\ta", 3, "c")))
  end)

  it("is sorted, has no empty cell, and no row of what was not given or has no onset", function()
    local late = "0.65\t0\tpulse\t9\tpulse\t9\t650000\tn/a\tlate\tn/a\n"
    local stopped = "0.9\t0\tpulse\t10\tpulse\t10\t900000\tn/a\tstopped\tn/a\n"
    assert.are.equal(header .. first .. mark .. second, written(header .. second .. late .. first .. stopped
      .. mark, false))
    assert.are.equal(header .. first .. mark .. second, written(header .. second .. first .. mark, true))
    assert.are.equal(header .. first, written(header .. first:gsub("n/a\n", "\n"), true))
    assert.are.equal(header .. first, written((header .. first):gsub("\n", "\r\n"), true))
    assert.are.equal(header .. first, written(header .. first .. second:gsub("^0.7", "n/a"), true))
    assert.are.equal(header .. first, written(header .. first .. "0.8\t0\tpul", true))
  end)
end)
