-- A table from anywhere may have any number of columns, and no line ends: it is named in plain words, and no
-- command stumbles over what it needs of it.
local bids = require "bids"
local cells = require "moonpulse.text.cells"
local core = require "moonpulse.core"
local read = require "moonpulse.record.read"
local shell = require "shell"
local tsv = require "moonpulse.bids.tsv"

-- ways of changing a table: to as many columns as a table may have, and to what no table has
local function widened(to)
  return function(text)
    local more = to - 1 - select(2, text:match("[^\n]*"):gsub("\t", ""))
    return (text:gsub("\n", ("\tx"):rep(more) .. "\n"))
  end
end

local odd = {
  { what = "has 65 columns", change = widened(65) },
  { what = "has 100000 columns", bytes = true, change = widened(100000) },
  { what = "columns, and", change = function(text) return (text:gsub("\n", "\t")) end },
  { what = "has more than 65536 bytes", bytes = true, change = function(text)
    return (text:gsub("\n", " ")):rep(50)
  end },
}

describe("a table of more columns than a run writes", function()
  local row = core.event_header .. core.event_row { event = "pulse", index = 1, pulse = 9, planned_ns = 1500,
    status = "delivered" }

  it("is read up to 64 of them", function()
    local list = assert(read.parse(widened(64)(row), "a table"))
    assert.are.same({ 9, 0 }, { list.pulses[1].pulse, list.incomplete })
    assert.are.same({ 9 }, assert(read.lists(widened(64)(row), "a table")).lists.pulse)
  end)

  it("is named in words beyond, by whatever reads rows", function()
    for _, reads in ipairs { read.parse, read.lists } do
      for _, way in ipairs(odd) do
        local found, message = reads(way.change(row:rep(60)), "a table")
        assert.is_nil(found)
        assert.matches("a table: line 1 has ", message, 1, true)
        assert.matches(way.bytes and "more than 65536 bytes" or way.what, message, 1, true)
      end
    end
  end)
end)

describe("a line of a table", function()
  it("has no more cells than a table has, and loses nothing", function()
    local line = ("x\t"):rep(3000000)
    local found = cells.of(line)
    assert.is_true(#found <= 10000)
    assert.is_true(table.concat(found, "\t") == line)
    assert.are.same({ "a", "b", "c\td" }, cells.of("a\tb\tc\td", 3))
    assert.are.same({ "a", "b", "" }, cells.of("a\tb\t", 3))
  end)

  it("of a dataset has one cell more than its header, whatever follows", function()
    local found = tsv.parse("a\tb\n1\t2\n" .. ("\t"):rep(3000000) .. "\n3\n4\t5\t6\n")
    assert.are.same({ 2, 3, 1, 3 }, { #found.rows[1], #found.rows[2], #found.rows[3], #found.rows[4] })
    assert.are.same({ "4", "5", "6" }, found.rows[4])
  end)
end)

describe("a foreign folder with such a table", function()
  local folder, kept, data

  setup(function()
    folder = shell.folder()
    kept, data = bids.run(folder, "sici --rmt 40 --device sim:bistim"), folder .. "/data"
    assert.are.equal(0, (shell.moonpulse(folder, ("export bids %s --bids %s --sub 01"):format(kept, data))))
  end)

  teardown(function() shell.remove(folder) end)

  --- Every command names it.
  local function check(text, paths, named)
    local status, out, err = shell.moonpulse(folder, (text:gsub("%u+", paths)))
    local what = ("%s: status %d: %s"):format(text, status, (out .. err):sub(1, 1500))
    assert.is_true(status > 0 and status < 6, what)
    assert.is_nil(what:find("traceback", 1, true) or what:find("scripts/moonpulse", 1, true), what)
    assert.matches(named, out .. err, 1, true)
  end

  it("is refused or told by every command that reads it", function()
    local run, new = folder .. "/copy", folder .. "/new"
    local paths = { RUN = run, NEW = new, KEPT = kept }
    for _, way in ipairs { odd[1], odd[4] } do
      for _, text in ipairs { "methods RUN", "diff RUN KEPT", "diff KEPT RUN", "rerun RUN --out NEW",
        "export bids RUN --bids NEW --sub 01", "verify RUN", "events RUN/events.tsv" } do
        assert(os.execute(("rm -rf %s %s; cp -r %s %s"):format(run, new, kept, run)))
        shell.write(run .. "/events.tsv", way.change(shell.read(kept .. "/events.tsv")))
        local no_reader = text:find("^verify") or text:find("^events")
        check(text, paths, no_reader and "events.tsv" or way.what)
      end
    end
  end)

  it("nor does a dataset lose its check for it", function()
    local events = data .. "/sourcedata/sub-01/" .. kept:match("[^/]+$") .. "/events.tsv"
    local text = assert(shell.read(events))
    for _, way in ipairs { odd[1], odd[4] } do
      shell.write(events, way.change(text))
      check("check-bids DATA", { DATA = data }, way.what)
    end
  end)
end)
