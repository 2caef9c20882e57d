-- A disk that fills up: the run goes on, the record can be made whole, nothing claims that it is.
local cjson = require "cjson"
local core = require "moonpulse.core"
local records = require "moonpulse.record"
local shell = require "shell"

describe("a full disk", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  it("is noticed by the record", function()
    local full = io.open("/dev/full", "w")
    if not full then
      return pending "this machine has no /dev/full"
    end
    local record = assert(records.create(folder .. "/runs", "made"))
    record.file:close()
    record.file = full
    record:sync()
    assert.is_nil(record.lost)
    record:event("mark", 0, nil, "passed", "one")
    record:advance(1)
    record:sync()
    assert.matches("events.tsv: No space left on device", record.lost, 1, true)
  end)

  it("leaves the manifest that is there, and says where", function()
    local record = assert(records.create(folder .. "/runs", "made"))
    record:manifest { status = "running" }
    core.most_file(0)
    local ok, problem = pcall(record.manifest, record, { status = "completed" })
    core.most_file()
    assert.is_false(ok)
    assert.are.equal("limit", problem.code)
    assert.matches("cannot write .*/manifest.json: .*name another folder with %-%-out DIR", problem.message)
    assert.are.equal("running", cjson.decode(shell.read(record.folder .. "/manifest.json")).status)
  end)

  it("in the middle of a run costs no row: recover writes them", function()
    if not os.execute("unshare -Urm sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null") then
      return pending "no file system can be mounted here"
    end
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 50, hz = 10, intensity = mp.mso(40) } end }]])
    shell.write(folder .. "/full.sh", ([[
      mkdir -p disk && mount -t tmpfs -o size=400k tmpfs disk || exit 99
      (for i in $(seq 400); do grep -q pulse disk/runs/*/twin.tsv && break; sleep 0.05; done
       dd if=/dev/zero of=disk/fill bs=4k; :) 2>/dev/null &
      %s run made.lua --timing device --tolerance 1000 --beyond-guidelines test --approval none \
        --out disk/runs
      echo "status $?"
      wait; rm disk/fill
      grep -o '"status": "running"' disk/runs/*/manifest.json
      %s recover disk/runs/* && cp -r disk/runs/*/* .
    ]]):format(shell.program:gsub("^build", "$OLDPWD/build"), shell.program:gsub("^build", "$OLDPWD/build")))
    local _, out, err = shell.sh(folder, ("cd %s && unshare -Urm sh full.sh"):format(shell.quote(folder)))
    assert.matches("status 5\n\"status\": \"running\"", out)
    assert.matches("the record is not whole: .*events.tsv: No space left on device; make room, then: "
      .. "moonpulse recover /.*/disk/runs/", err) -- a path that means the same in every folder
    local rows = shell.rows(folder .. "/events.tsv")
    assert.are.equal(50, #rows)
    for i, row in ipairs(rows) do
      assert.are.same({ tostring(i), "delivered" }, { row.pulse, row.status })
    end
    assert.are.equal("interrupted", cjson.decode(shell.read(folder .. "/manifest.json")).status)
  end)

  --- A shell script with a small disk as the folder disk; {P} is the program. Exit status, output, errors.
  local function on_small_disk(script)
    if not os.execute("unshare -Urm sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null") then
      return nil
    end
    shell.write(folder .. "/full.sh", "mkdir -p disk && mount -t tmpfs -o size=24m tmpfs disk || exit 99\n"
      .. script:gsub("{P}", (shell.program:gsub("^build", "$OLDPWD/build"))))
    return shell.sh(folder, ("cd %s && unshare -Urm sh full.sh"):format(shell.quote(folder)))
  end

  local alternating = [[local mp = require "moonpulse"
    return mp.experiment { params = { fill = { default = "" } }, run = function(run)
      local stim = run:device()
      stim:arm()
      for i = 1, 40 do
        if i == 5 then -- some other program fills the disk
          local f = io.open(run.params.fill, "w")
          f:setvbuf "no"
          while f:write(("x"):rep(4096)) do end
          while f:write "x" do end
          f:close()
        end
        stim:fire(mp.pulse { intensity = mp.mso(i % 2 == 1 and 80 or 20) })
      end
    end }]]

  it("under an experiment: nothing is played that the journal does not have, nothing is invented", function()
    shell.write(folder .. "/full.lua", alternating)
    local status, out, err = on_small_disk [[
      {P} run full.lua --seed 1 --tolerance 1000 --beyond-guidelines test --approval none --out disk/runs \
        -p fill=disk/fill
      echo "status $?"
      rm disk/fill
      {P} recover disk/runs/*
      {P} verify disk/runs/*
      cp -r disk/runs/*/* .
    ]]
    if not status then
      return pending "no file system can be mounted here"
    end
    assert.are.equal(0, status, err)
    assert.is_nil(out:find("DIFFERS", 1, true), out) -- its script uses io, which verify does not give it
    assert.matches("checked   events.tsv is what flight.bin says", out, 1, true)
    assert.matches("the journal cannot be written, so nothing more is played", err, 1, true)
    assert.matches("No space left on device", err, 1, true)
    assert.matches("status 5\n", out)
    -- how many fitted is the file system's affair: what was given is in the record, and nothing else
    local given, simulator = {}, {}
    for _, row in ipairs(shell.rows(folder .. "/events.tsv")) do
      given[#given + 1] = row.event == "pulse" and row.status == "delivered" and tonumber(row.intensity_mso)
        or nil
    end
    for line in io.lines(folder .. "/twin.tsv") do
      simulator[#simulator + 1] = tonumber((line:match("\tpulse\t[^\t]*\t[^\t]*\t[^\t]*\t([^\t]*)")))
    end
    assert.are.same(simulator, given)
    assert.is_true(#given >= 4 and #given < 40)
    assert.are_not.equal("running", cjson.decode(shell.read(folder .. "/manifest.json")).status)
  end)

  it("before anything is armed is a refusal with the remedy", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 50, hz = 10, intensity = mp.mso(40) } end }]])
    local status, out, err = on_small_disk [[
      dd if=/dev/zero of=disk/fill bs=4k 2>/dev/null
      {P} run made.lua --timing host --tolerance 200 --beyond-guidelines test --approval none --out disk/runs
      echo "status $?"
      {P} run made.lua --speed max --beyond-guidelines test --approval none --out disk/runs
      echo "status $?"
      cat disk/runs/*/twin.tsv 2>/dev/null | grep -c pulse
    ]]
    if not status then
      return pending "no file system can be mounted here"
    end
    assert.is_nil(out:find("status 0", 1, true), out)
    assert.is_nil(out:find("[1-9]%d*\n$"), out) -- and no pulse was given
    assert.matches("No space left on device", err, 1, true)
    assert.matches("make room", err, 1, true)
  end)

  it("so that a run is refused leaves nothing sealed that does not verify, nor what recover cannot mend",
    function()
      shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
        return mp.protocol { id = "made", name = "Made", plan = function()
          return mp.train { pulses = 2, hz = 10, intensity = mp.mso(40) } end }]])
      shell.write(folder .. "/script.lua", [[local mp = require "moonpulse"
        return mp.experiment(function(run) run:device():arm() run:mark "here" end)]])
      local status, out, err = on_small_disk [[
        umount disk
        try() {
          for k in $2; do
            mount -t tmpfs -o size=${k}k tmpfs disk || exit 99
            {P} run $1.lua --tolerance 1000 --beyond-guidelines t --approval none --out disk/runs >said 2>&1
            code=$?
            cat said >>all
            sealed=n; whole=n
            [ -e disk/runs/*/SHA256SUMS ] && sealed=y
            {P} verify disk/runs/* >seen 2>&1 && whole=y
            [ $sealed$whole = yn ] && cat seen
            mount -o remount,size=64m disk
            if [ -e disk/runs/*/manifest.json ]; then
              {P} recover disk/runs/* >>seen 2>&1
              {P} verify disk/runs/* >>seen 2>&1 && again=y || { again=n; cat seen; }
            else
              again=none
            fi
            echo "$1 $k status $code sealed $sealed whole $whole again $again"
            umount disk
          done
        }
        try made "260 264 268 272 276 280 284 288"
        try script "19004 19008 19012 19016 19020 19024"
        cat all >&2
      ]]
      if not status then
        return pending "no file system can be mounted here"
      end
      local refused, sealed_now = 0, 0
      for code, sealed, whole, again in out:gmatch "status (%d+) sealed (%a) whole (%a) again (%a+)" do
        assert.are.equal(sealed, whole, out)
        assert.are_not.equal("n", again, out)
        refused, sealed_now = refused + (code ~= "0" and 1 or 0), sealed_now + (sealed == "y" and 1 or 0)
      end
      assert.is_true(refused >= 3 and sealed_now >= 1, out)
      for line in err:gmatch "[^\n]*the run goes on[^\n]*" do
        assert.is_nil(line:find("cannot write", 1, true), line)
      end
    end)

  it("before anything was given is said in the manifest, and recover writes what is missing", function()
    local fixture, verify = require "job", require "moonpulse.verify"
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 2, hz = 10, intensity = mp.mso(40) } end }]])
    local status = shell.moonpulse(folder, ("run %s/made.lua --fault half-open@0 --tolerance 1000 "
      .. "--out %s/runs"):format(folder, folder))
    assert.are_not.equal(0, status)
    local run = fixture.run_in(folder .. "/runs")
    assert.are.equal("not run", fixture.manifest(run).status)
    assert.are.same({}, verify.folder(run, {}).differs)
    local journal = shell.read(run .. "/journal.jsonl")
    local torn = journal:match('^(.*\n)[^\n]*\n$') .. '{"kind":"sea' -- as a full disk leaves it
    local manifest = shell.read(run .. "/manifest.json")
    local head = cjson.decode(journal:match '([^\n]*)\n$').prev
    local _, lines = torn:gsub("\n", "")
    for _, name in ipairs { "SHA256SUMS", "verify.sh" } do
      os.remove(run .. "/" .. name)
    end
    shell.write(run .. "/journal.jsonl", torn)
    shell.write(run .. "/events.tsv", "")
    shell.write(run .. "/manifest.json", (manifest:gsub('"journal_head": "%x+"',
      '"journal_head": "' .. head .. '"'):gsub('"journal_lines": %d+', '"journal_lines": ' .. lines)))
    assert.is_false(verify.folder(run, {}).whole)
    local out, err
    status, out, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(0, status, err .. out)
    assert.are.same({}, verify.folder(run, {}).differs)
    assert.are.equal(core.event_header, shell.read(run .. "/events.tsv"))
    assert.matches("written again", fixture.manifest(run).result.rebuilt, 1, true)
  end)

  it("is said of the report, which can be written later", function()
    local record = assert(records.create(folder .. "/runs", "made"))
    record:manifest { status = "completed", device = { name = "magventure" }, protocol = { name = "Made" } }
    record:close()
    assert(os.execute(("mkdir -p %s/report.html.part/x"):format(shell.quote(record.folder)))) -- in the way
    local path, why = require("moonpulse.report").write(record.folder)
    assert.is_nil(path)
    assert.matches("report.html: cannot be written", why, 1, true)
    local status, _, err = shell.moonpulse(folder, "recover " .. record.folder)
    assert.are.equal(2, status)
    assert.matches("report.html: cannot be written", err, 1, true)
    shell.remove(record.folder .. "/report.html.part")
    local out
    status, out = shell.moonpulse(folder, "recover " .. record.folder)
    assert.are.equal(0, status)
    assert.matches("its report was missing, and is written", out, 1, true)
    assert.is_string(shell.read(record.folder .. "/report.html"))
  end)

  it("is said at once, with what to do, and once", function()
    local ending = require "moonpulse.run.ending"
    local record = assert(records.create(folder .. "/runs", "made"))
    local full = assert(io.open("/dev/full", "w"))
    record.file:close()
    record.file = full
    local said, kept = {}, io.stderr
    io.stderr = { write = function(_, text) said[#said + 1] = text end } -- luacheck: ignore
    ending.tell_losses { record = record }
    for i = 1, 3 do
      record:event("mark", i, nil, "passed", "one")
      record:advance(i + 1)
      record:sync()
    end
    io.stderr = kept -- luacheck: ignore
    assert.are.equal(1, #said)
    assert.matches("events.tsv: No space left on device: make room, or name another folder with --out DIR",
      said[1], 1, true)
  end)

  it("is an error and no signal where a file may not grow", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 2000, hz = 10, intensity = mp.mso(40) } end }]])
    local run = ("%s run %s/made.lua --beyond-guidelines test --approval none --out %s/runs"):format(
      shell.quote(shell.program), folder, folder)
    for _, more in ipairs { " --speed max", " --late skip --tolerance 50" } do
      local status, _, err = shell.sh(folder, "ulimit -f 40; " .. run .. more)
      assert.is_true(status > 0 and status < 128, tostring(status))
      assert.matches("File too large", err, 1, true)
    end
  end)
end)
