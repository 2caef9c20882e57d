-- An experiment's report has what it found on top: each threshold with its interval; and its trials below.
local cjson = require "cjson"
local fixture = require "job"
local pages = require "report_page"
local shell = require "shell"

local page_of, has, lacks = pages.page_of, pages.has, pages.lacks

describe("the report of a staircase", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("has its threshold with the interval on top, and every trial in its figure", function()
    local answers = { "y", "n", "y", "n", "y", "y", "n", "y", "n", "n", "y", "n", "y", "n" }
    shell.write(folder .. "/answers", table.concat(answers, "\n") .. "\n")
    local status, out, err = shell.moonpulse(folder, ("run scripts/threshold.lua -p kind=RMT -p start=55 "
      .. "-p step=4 --answers %s/answers --seed 7 --speed max --out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    local record = fixture.run_in(folder .. "/runs")
    local html = shell.read(record .. "/report.html")
    local found = cjson.decode(shell.read(record .. "/manifest.json")).experiment.staircases[1]
    local words = ("Resting motor threshold %.1f %%MSO, 95 %% interval %.1f to %.1f %%MSO"):format(
      found.threshold, found.interval.low, found.interval.high)
    assert.is_truthy(html:match("<main>(.-)<dl"):find('<p class="big">' .. words, 1, true), words)
    assert.is_true(found.interval.low < found.threshold and found.threshold < found.interval.high)
    assert.matches(("threshold %.4g %%%%MSO, 95 %%%% interval"):format(found.threshold), out)
    -- the trials of the events table: the marks that the script's staircase left
    local yes, no = 0, 0
    for answer in shell.read(record .. "/events.tsv"):gmatch("trial %d+ answer (%a+)") do
      yes, no = yes + (answer == "yes" and 1 or 0), no + (answer == "no" and 1 or 0)
    end
    local figure = html:match("<title id=\"stairs1%-t\".-</svg>")
    assert.equal(yes, select(2, figure:match('class="fill" d="([^"]*)"'):gsub("M", "")))
    assert.equal(no, select(2, figure:match('class="open" d="([^"]*)"'):gsub("M", "")))
    assert.is_true(yes > 2 and no > 2)
  end)
end)

describe("the report's threshold", function()
  pages.each_test()

  local function page(staircase)
    return page_of({ kind = "experiment", experiment = { staircases = { staircase } } }, {})
  end

  it("says why there is none", function()
    local html = page { why = "only 1 reversals after 4 trials", trials = 4, reversals = 1, rule = "r" }
    has(html, '<p class="big">No threshold: only 1 reversals after 4 trials</p>')
    lacks(html, "<figure")
  end)

  it("of an older record has no interval, and no figure", function()
    local html = page { threshold = 48, unit = "mA", trials = 14, reversals = 6, rule = "1-up-1-down" }
    has(html, '<p class="big">Threshold 48.0 mA, interval not recorded</p>')
    lacks(html, "<figure")
  end)

  it("draws nothing that is no trial", function()
    for _, track in ipairs { { 5 }, { { intensity = "x", yes = true } }, { { intensity = 50 } }, "no",
      { { intensity = 1e300, yes = true } } } do
      lacks(page { threshold = 48, track = track }, "<figure")
    end
    local html = page { threshold = 1e300, interval = { low = {}, high = 7 }, unit = "<b>",
      track = { { intensity = 50, yes = true } } }
    has(html, "<figure")
    lacks(html, "<b>")
  end)
end)
