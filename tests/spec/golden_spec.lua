local catalogue = require "moonpulse.catalogue"
local protocols = require "moonpulse.protocol"

local program = os.getenv("MOONPULSE") or "build/moonpulse"

--- The cells of a line of tab-separated text.
local function cells_of(line)
  local cells = {}
  for cell in (line .. "\t"):gmatch("([^\t]*)\t") do
    cells[#cells + 1] = cell
  end
  return cells
end

--- All rows of tab-separated lines, as tables by column name.
local function rows(lines)
  local header, list = nil, {}
  for line in lines do
    local cells = cells_of(line)
    if header then
      local row = {}
      for i, name in ipairs(header) do
        row[name] = cells[i]
      end
      list[#list + 1] = row
    else
      header = cells
    end
  end
  return list
end

--- The command's output as rows; it must end well.
local function events(id)
  local pipe = assert(io.popen(("'%s' events %s"):format(program, id)))
  local list = rows(pipe:lines())
  assert.are.same({ true, "exit", 0 }, { pipe:close() })
  return list
end

local golden = {
  { id = "itbs600", file = "itbs600", pulses = 600, last_us = 191840000, reference = "AMT" },
  { id = "ctbs600", file = "ctbs600", pulses = 600, last_us = 39840000, reference = "AMT" },
  { id = "hf10_neurostar", file = "rtms10hz_neurostar3000", pulses = 3000, last_us = 2223900000,
    reference = "RMT" },
}

describe("moonpulse events", function()
  for _, case in ipairs(golden) do
    it(("%s gives the golden onsets of %s, row for row"):format(case.id, case.file), function()
      local expected = rows(assert(io.lines("tests/data/golden/" .. case.file .. ".tsv")))
      local found = events(case.id)
      assert.are.equal(case.pulses, #expected)
      assert.are.equal(case.pulses, #found)
      for i, row in ipairs(found) do
        assert.are.same({
          index = expected[i].index, onset_us = expected[i].onset_us, event = "pulse",
          channel = "1", intensity = expected[i].intensity_pct_of_threshold,
          intensity_ref = case.reference, intensity_mso = "n/a", pulse = expected[i].index,
          label = "n/a",
        }, row)
      end
      assert.are.equal(case.last_us, tonumber(found[#found].onset_us))
    end)
  end
end)

local published, citations = {}, {}
for _, row in ipairs(rows(assert(io.lines("tests/data/protocols.tsv")))) do
  published[row.id] = row
  -- the table cites a paper in full once, then as "Huang 2005": the same doi is the same paper
  citations[row.doi] = citations[row.doi] or row.citation
end

--- Seconds of the table have up to six decimals, rounded.
local function assert_seconds(expected, found, what)
  assert.is_true(math.abs(tonumber(expected) - found) <= 0.5000001e-6,
    ("%s: the table has %s s, the plan %.9f s"):format(what, expected, found))
end

describe("the shipped protocol", function()
  local seen = {}
  for _, protocol in ipairs(catalogue.all()) do
    it(protocol.id .. " is what its source says", function()
      assert.is_nil(seen[protocol.id], "two protocols have this id")
      seen[protocol.id] = true
      local row = published[protocol.id]
      assert.is_table(row, "the table has no row of this id")
      assert.are.equal(row.name, protocol.name)
      assert.are.equal(row.doi, protocol.doi or "-")
      assert.are.equal(row.target, protocol.target)
      assert.is_true(protocol.cite == row.citation or protocol.cite == citations[row.doi],
        ("cited as %q, in the table %q"):format(protocol.cite, row.citation))
      local values = assert(protocols.values(protocol, {}))
      local plan = assert(protocols.build(protocol, values))
      local facts = catalogue.measure(plan, 1)
      assert.are.equal(tonumber(row.total_pulses), facts.pulses)
      if facts.random then
        -- the table has the mean interval; a draw of all intervals lies within its bounds
        local gaps = facts.pulses - 1
        assert.is_true(facts.first_to_last_s >= gaps * values.shortest)
        assert.is_true(facts.first_to_last_s <= gaps * values.longest)
        assert_seconds(row["first_to_last_pulse_s"], gaps * (values.shortest + values.longest) / 2,
          "mean first to last pulse")
        assert.are.equal(facts.first_to_last_s, facts.nominal_end_s)
      else
        assert_seconds(row["first_to_last_pulse_s"], facts.first_to_last_s, "first to last pulse")
        assert_seconds(row["nominal_end_s(no_trailing_gap)"], facts.nominal_end_s, "nominal end")
        assert_seconds(row["whole_cycles_s(with_trailing_gap)"], facts.whole_cycles_s, "whole cycles")
      end
    end)
  end
end)

describe("the catalogue", function()
  it("finds each shipped protocol by its id, sorted", function()
    local all, ids = catalogue.all(), {}
    for i, protocol in ipairs(all) do
      ids[i] = protocol.id
      assert.are.equal(protocol.id, assert(catalogue.find(protocol.id)).id)
    end
    local sorted = table.move(ids, 1, #ids, 1, {})
    table.sort(sorted)
    assert.are.same(sorted, ids)
    for _, case in ipairs(golden) do
      assert.is_table(catalogue.find(case.id))
    end
  end)
end)
