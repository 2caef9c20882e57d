--- For the specs of the report: runs that never were (rows and manifests as a run writes them), the page made
--- of them, and the page of a real run.
local assert = require "luassert"
local busted = require "busted"
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local fixture = require "job"
local lfs = require "lfs"
local report = require "moonpulse.report"
local shell = require "shell"

local M = {}

M.columns = {}
for name in core.event_header:gmatch("[%l_]+") do
  M.columns[#M.columns + 1] = name
end

local folder

function M.put(name, content)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(content)
  file:close()
end

local function us(value)
  return value and string.format("%.3f", value)
end

-- A pulse `late` µs late, confirmed `reply_us` after it was sent; without `late` it was not sent.
function M.pulse(number, planned, late, reply_us, more)
  local sent = late and planned + late
  local row = {
    onset = string.format("%.6f", (sent or planned) / 1e6), duration = "0", index = number,
    event = "pulse", pulse = number, onset_planned_us = us(planned), onset_sent_us = us(sent),
    onset_confirmed_us = us(sent and reply_us and sent + reply_us), lateness_us = us(late),
    channel = 1, intensity_mso = 36, intensity = 80, intensity_ref = "AMT",
    status = reply_us and "delivered" or sent and "sent" or "skipped",
  }
  for key, value in pairs(more or {}) do
    row[key] = value
  end
  return row
end

function M.tsv(rows)
  local lines = { table.concat(M.columns, "\t") }
  for _, row in ipairs(rows) do
    local cells = {}
    for i, name in ipairs(M.columns) do
      cells[i] = tostring(row[name] or "n/a")
    end
    lines[#lines + 1] = table.concat(cells, "\t")
  end
  return table.concat(lines, "\n") .. "\n"
end

function M.page_of(manifest, rows)
  M.put("manifest.json", type(manifest) == "string" and manifest or cjson.encode(manifest))
  M.put("events.tsv", type(rows) == "string" and rows or M.tsv(rows))
  local path, err = report.write(folder)
  assert.is_nil(err)
  assert.equal(folder .. "/report.html", path)
  local file = assert(io.open(path, "rb"))
  local html = file:read("a")
  file:close()
  return html
end

function M.verdict(html)
  return html:match('<p class="verdict %a+">(.-)</p>')
end

function M.has(html, words)
  assert.is_truthy(html:find(words, 1, true), "the page lacks: " .. words)
end

function M.lacks(html, words)
  assert.is_nil(html:find(words, 1, true), "the page has: " .. words)
end

function M.fact(html, name)
  local pattern = '<th scope="row">' .. name:gsub("%p", "%%%0") .. "</th><td[^>]*>(.-)</td>"
  return html:match(pattern)
end

function M.itbs_onsets()
  local out = {}
  for cycle = 0, 19 do
    for burst = 0, 9 do
      for k = 0, 2 do
        out[#out + 1] = cycle * 10e6 + burst * 200e3 + k * 20e3
      end
    end
  end
  return out
end

function M.itbs_manifest()
  return {
    moonpulse = { version = "9.8.7" },
    protocol = { name = "iTBS-600", pulses = 600, first_to_last_s = 191.84, nominal_end_s = 192,
                 whole_cycles_s = 200 },
    device = { name = "magventure", simulated = false }, speed = 1,
    result = { status = "completed", pulses_planned = 600 },
  }
end

-- Lateness from a fixed recurrence: different values, known largest, no random generator.
function M.itbs_run()
  local rows, late = {}, {}
  for i, onset in ipairs(M.itbs_onsets()) do
    late[i] = 40 + (i * 7919 % 1009) / 10
    rows[i] = M.pulse(i, onset, late[i], 1000 + i)
  end
  return rows, late
end

--- The report of a run that is made for it.
---@param own_folder string
---@param options string of moonpulse run
---@param code string of the protocol's or the experiment's file, in which mp is there
---@param wanted integer? the exit status; 0
---@return string html
function M.report_of(own_folder, options, code, wanted)
  shell.write(own_folder .. "/made.lua", 'local mp = require "moonpulse"\n' .. code)
  local status, _, err = shell.moonpulse(own_folder,
    ("run %s/made.lua --out %s/runs %s"):format(own_folder, own_folder, options))
  assert.are.equal(wanted or 0, status, err)
  return shell.read(fixture.run_in(own_folder .. "/runs") .. "/report.html")
end

--- Inside describe: each test has a folder, in which page_of writes.
function M.each_test()
  busted.before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
    M.folder = folder
  end)

  busted.after_each(function()
    for name in lfs.dir(folder) do
      if name ~= "." and name ~= ".." then
        os.remove(folder .. "/" .. name)
      end
    end
    assert(lfs.rmdir(folder))
  end)
end

return M
